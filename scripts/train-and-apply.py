"""Train a map on one image and quantize others in its colors, on any cluster: copy and edit.

python scripts/train-and-apply.py CONFIG.yaml MODEL.npz TRAINING_IMAGE [IMAGE OUTPUT] ...

CONFIG.yaml is one of configs/ or your own. One cluster serves all images.
"""

import sys

import dasksom
from dasksom.cluster import connect
from dasksom.config import load_config
from dasksom.image import Output, create_writer, publish
from dasksom.quantization.write_pass import quantize_into


def main(config_path: str, model_path: str, training_image: str, *rest: str) -> None:
    config = load_config(config_path, {})
    with connect(config.cluster.as_options(), small=False):
        image = dasksom.open_image(training_image)
        rows, columns = config.map.grid
        som = dasksom.BatchSOM(rows, columns, epochs=config.map.epochs, random_state=config.map.seed).fit(image)
        som.save(model_path)
        print(f"{model_path}: mean squared error {som.history_[-1].mean_squared_error:.4g}")
        for source, output in zip(rest[::2], rest[1::2], strict=True):
            image = dasksom.open_image(source)
            with publish(output) as path:  # published when it is complete
                writer = create_writer(
                    Output(
                        path,
                        height=image.shape[0],
                        width=image.shape[1],
                        chunks=image.chunksize[:2],
                        palette=som.codebook_.palette(image.dtype),
                        metadata={},
                        nodata=image.dtype.kind == "f",
                    )
                )
                quantize_into(image, som.labeling_for(image.dtype), writer, measured=False)
            print(output)


if __name__ == "__main__":  # workers are started by importing this file
    if len(sys.argv) < 4 or len(sys.argv) % 2:
        sys.exit(__doc__)
    main(*sys.argv[1:])
