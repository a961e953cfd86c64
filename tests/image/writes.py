"""What the tests of writers share."""

import pickle

import numpy as np

from dasksom.image import Output, create_writer


def write(path, labels, palette, chunks, *, picture=None, **kwargs):
    """Write labels chunk by chunk as a run does, last chunk first; return the writer."""
    height, width = labels.shape
    kwargs.setdefault("metadata", {"epochs": 3})
    output = Output(path, height=height, width=width, chunks=chunks, palette=palette, **kwargs)
    writer = create_writer(output if picture is None else output.placed_as(picture))
    writer = pickle.loads(pickle.dumps(writer))
    corners = [(y, x) for y in range(0, height, chunks[0]) for x in range(0, width, chunks[1])]
    parts = {c: labels[c[0] : c[0] + chunks[0], c[1] : c[1] + chunks[1]] for c in corners}
    done = {corner: writer.encode(parts[corner], corner) for corner in [*corners[::-1], corners[0]]}

    def run(function, places):
        for place in [*places[::-1], places[0]]:  # in another order, and one twice
            function(place)

    writer.collect(((corner, parts[corner].shape, done[corner]) for corner in corners), run)
    return writer


def halved_labels(labels):
    return labels[::2, ::2]


def halved_colors(colors, present):
    """Halve (height, width, bands) by hand: the mean of pixels that are present, and which are."""
    height, width = (-(-side // 2) for side in colors.shape[:2])
    padded = [(0, 2 * height - colors.shape[0]), (0, 2 * width - colors.shape[1])]
    values = np.pad(colors.astype(np.float64), [*padded, (0, 0)])
    counts = np.pad(present, padded).reshape(height, 2, width, 2)
    values = np.where(counts[..., None], values.reshape(height, 2, width, 2, -1), 0).sum(axis=(1, 3))
    count = counts.sum(axis=(1, 3))
    mean = values / np.maximum(count, 1)[..., None]
    return (np.floor(mean + 0.5) if colors.dtype.kind != "f" else mean).astype(colors.dtype), count > 0
