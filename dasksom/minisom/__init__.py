"""MiniSom's own interface on compiled kernels."""

from dasksom.minisom.minisom import MiniSom, fast_norm

__all__ = ["MiniSom", "fast_norm"]
