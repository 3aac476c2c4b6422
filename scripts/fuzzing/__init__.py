"""Random programs made from the table of operators, and what is done with them: comparing, moving about, making smaller."""
