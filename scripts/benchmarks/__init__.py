"""Measurements of `scripts/benchmark`: a module for each group of rows."""
