"""Reading named values out of a program: what their names are, and how each is got. No torch."""
