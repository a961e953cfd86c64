"""Runs over the labels of an output: classes and tables."""
