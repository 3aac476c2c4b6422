"""Looking at attention: where it is in a program, what its maps say in numbers, and the report that shows both."""
