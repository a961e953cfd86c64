"""Quantize a photograph in memory: nine colors, as the palette of a 3 x 3 map.

python examples/photograph.py [PHOTO] [OUTPUT]
"""

import sys

import numpy as np
from PIL import Image
from skimage import data

import dasksom


def main() -> None:
    """Read, train, rebuild, write."""
    photo = np.asarray(Image.open(sys.argv[1]).convert("RGB")) if len(sys.argv) > 1 else data.coffee()
    output = sys.argv[2] if len(sys.argv) > 2 else "nine-colors.png"
    som = dasksom.BatchSOM(3, 3, epochs=100).fit(photo)
    Image.fromarray(som.quantize(photo)).save(output)
    for row in som.weights_.round().astype(int).tolist():
        print("  ".join("#{:02x}{:02x}{:02x}".format(*color) for color in row))
    print(f"{output}: mean squared error {som.quality_.mean_squared_error:.1f}")


if __name__ == "__main__":
    main()
