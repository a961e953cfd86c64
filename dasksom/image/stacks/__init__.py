"""Read images whose bands are in separate files or arrays."""
