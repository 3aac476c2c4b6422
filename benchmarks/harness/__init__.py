"""Measuring one row of the benchmark at a time, and putting the table, the picture and the page together from the rows."""
