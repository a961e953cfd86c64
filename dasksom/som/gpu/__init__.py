"""The search and the sums of units on the arrays of a GPU, with the results of the processor."""
