"""Statistics of the pixels of each unit."""
