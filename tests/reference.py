"""The oracle: a batch self-organizing map as in the textbook: one sample and one unit at a time, in Python's floats."""

import math


def best_unit(sample, codebook):
    distances = [sum((x - w) ** 2 for x, w in zip(sample, unit, strict=True)) for unit in codebook]
    return distances.index(min(distances))


def lattice_steps(lattice, k, j):
    """Give the distances of two units along both axes."""
    (row, column), (other_row, other_column) = divmod(k, lattice.columns), divmod(j, lattice.columns)
    height, shift = (math.sqrt(3) / 2, 0.5) if lattice.topology == "hexagonal" else (1, 0)
    down = abs(row - other_row)
    along = abs(column + shift * (row % 2) - other_column - shift * (other_row % 2))
    if lattice.toroidal:
        down, along = min(down, lattice.rows - down), abs(min(along, lattice.columns - along))
    return down * height, along


def neighborhood(lattice, k, j, sigma, kind="gaussian"):
    if sigma == 0:
        return float(k == j)
    down, along = lattice_steps(lattice, k, j)
    if kind == "gaussian":
        return math.exp(-(down**2 + along**2) / (2 * sigma**2))
    if kind == "bubble":
        return float((down < sigma or down == 0) and (along < sigma or along == 0))
    if kind == "triangle":
        return max(0, 1 - down / sigma) * max(0, 1 - along / sigma)
    return max(0, 1 - (down**2 + along**2) / sigma**2)


def batch_epoch(samples, codebook, lattice, sigma, kind="gaussian"):
    """Give the next codebook: every unit becomes the neighborhood-weighted mean of all samples."""
    bands = len(codebook[0])
    numerator = [[0.0] * bands for _ in codebook]
    denominator = [0.0] * len(codebook)
    for sample in samples:
        best = best_unit(sample, codebook)
        for k in range(len(codebook)):
            weight = neighborhood(lattice, k, best, sigma, kind)
            denominator[k] += weight
            for band in range(bands):
                numerator[k][band] += weight * sample[band]
    return [
        [value / denominator[k] for value in numerator[k]] if denominator[k] > 1e-12 else list(codebook[k])
        for k in range(len(codebook))
    ]


def train(samples, codebook, lattice, sigmas, kind="gaussian"):
    """Run one epoch per sigma over samples and codebook, both lists of lists of float."""
    for sigma in sigmas:
        codebook = batch_epoch(samples, codebook, lattice, sigma, kind)
    return codebook
