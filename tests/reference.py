"""The oracle: a batch self-organizing map as in the textbook: one sample and one unit at a time, in Python's floats."""

import math


def best_unit(sample, codebook):
    distances = [sum((x - w) ** 2 for x, w in zip(sample, unit, strict=True)) for unit in codebook]
    return distances.index(min(distances))


def neighborhood(rows, columns, k, j, sigma):
    if sigma == 0:
        return float(k == j)
    squared = (k // columns - j // columns) ** 2 + (k % columns - j % columns) ** 2
    return math.exp(-squared / (2 * sigma**2))


def batch_epoch(samples, codebook, rows, columns, sigma):
    """Give the next codebook: every unit becomes the neighborhood-weighted mean of all samples."""
    bands = len(codebook[0])
    numerator = [[0.0] * bands for _ in codebook]
    denominator = [0.0] * len(codebook)
    for sample in samples:
        best = best_unit(sample, codebook)
        for k in range(len(codebook)):
            weight = neighborhood(rows, columns, k, best, sigma)
            denominator[k] += weight
            for band in range(bands):
                numerator[k][band] += weight * sample[band]
    return [
        [value / denominator[k] for value in numerator[k]] if denominator[k] > 1e-12 else list(codebook[k])
        for k in range(len(codebook))
    ]


def train(samples, codebook, rows, columns, sigmas):
    """Run one epoch per sigma over samples and codebook, both lists of lists of float."""
    for sigma in sigmas:
        codebook = batch_epoch(samples, codebook, rows, columns, sigma)
    return codebook
