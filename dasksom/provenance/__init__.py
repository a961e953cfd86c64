"""Records of runs, and their original images."""
