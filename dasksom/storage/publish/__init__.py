"""Outputs take their final name when they are complete."""
