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


def online_place(neighborhood, i, j):
    """Where unit (i, j) of an online map sits; bubbles and triangles count rows and columns."""
    if not neighborhood.hexagonal or neighborhood.kind in ("bubble", "triangle"):
        return i, j
    return i - 0.5 * ((neighborhood.y - 1 - j) % 2 == 0), j * 1.5 / math.sqrt(3)


def online_shares(neighborhood, winner, sigma):
    """How much each unit of an online map learns of what the winner learns: one list per row of the map."""
    here = online_place(neighborhood, *winner)
    shares = [[0.0] * neighborhood.y for _ in range(neighborhood.x)]
    for i in range(neighborhood.x):
        for j in range(neighborhood.y):
            dx, dy = (abs(at - of) for at, of in zip(online_place(neighborhood, i, j), here, strict=True))
            p, d = dx**2 + dy**2, 2 * sigma**2
            shares[i][j] = {
                "gaussian": math.exp(-p / d),
                "mexican_hat": math.exp(-p / d) * (1 - 2 / d * p),
                "bubble": float(dx < sigma and dy < sigma),
                "triangle": max(0, sigma - dx) * max(0, sigma - dy),
            }[neighborhood.kind]
    return shares
