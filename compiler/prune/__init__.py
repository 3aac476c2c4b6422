"""Removing slices of an axis by decision: what is tied together, what a budget keeps, and the smaller program that is written. No torch."""
