"""Features of the pixels of a chunk: what the map compares, computed from the bands."""
