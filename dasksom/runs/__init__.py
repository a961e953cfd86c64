"""Whole runs, from a path to a path."""
