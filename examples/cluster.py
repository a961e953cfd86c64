"""Quantize an image that is larger than memory on a dask cluster, from Python.

python examples/cluster.py IMAGE OUTPUT.zarr [SCHEDULER-ADDRESS]
"""

import sys

from dask.distributed import Client, LocalCluster

import dasksom


def main() -> None:
    """Train on every pixel, then write labels and the rebuilt image with dask."""
    image_path, output = sys.argv[1:3]
    address = sys.argv[3] if len(sys.argv) > 3 else None
    with Client(address or LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0")) as client:
        print(f"on {client.scheduler.address}")
        image = dasksom.open_image(image_path)
        som = dasksom.BatchSOM(8, 8, epochs=20).fit(image, on_epoch=lambda epoch, _: print(epoch))
        som.save("palette.npz")
        # Chunks of these arrays are complete chunks of the Zarr, so that no two tasks write the same one.
        labels = som.predict(image)
        labels.to_zarr(output, component="labels", zarr_format=3)
        som.quantize(image).to_zarr(output, component="image", zarr_format=3)
        print(f"{output}: labels {labels.shape} {labels.dtype}, image {image.shape} {image.dtype}")
        if address is None:
            client.cluster.close()


if __name__ == "__main__":  # workers are spawned and import this file again
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main()
