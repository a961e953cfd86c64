"""The mathematics of the map: NumPy and Numba only, one chunk at a time."""
