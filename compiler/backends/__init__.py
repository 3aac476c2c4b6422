"""What a program is lowered for, and how that is chosen. No torch."""
