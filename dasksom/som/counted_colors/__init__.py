"""8-bit colors and their counts."""
