# %% [markdown]
# # From the channels of a multiplexed image to named classes
#
# An image of twenty markers is too much to look at. This page trains a map on its pixels, groups the units of the map
# into a few classes, names them by their markers, and writes an OME-Zarr of the labels. It needs `python -m pip
# install 'dasksom[plots]'`. Run it as `python examples/multiplexed_classes.py`, or read
# [multiplexed_classes.ipynb](multiplexed_classes.ipynb), which is made of it.

# %%
from pathlib import Path

import dask.array as da
import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import gaussian_filter

import dasksom
from dasksom import BatchSOM, Features, show

folder = Path("multiplexed-output")
folder.mkdir(exist_ok=True)

# %% [markdown]
# ## The image
#
# Six kinds of tissue, each bright in some of twenty markers; the first channel is a nuclear stain, fifty times as
# bright as the others, that says nothing about the tissue. It is made here, so that we know which kind each pixel is
# of. Open yours with `dasksom.open_picture("image.ome.tif")`: it is read in chunks and may be larger than memory.

# %%
draw = np.random.default_rng(7)
kinds = np.argmax([gaussian_filter(draw.standard_normal((256, 256)), 10) for _ in range(6)], axis=0)
brightness = draw.uniform(1, 4, (6, 20)) + draw.choice([0, 6, 15], (6, 20), p=[0.7, 0.2, 0.1])
pixels = draw.poisson(brightness[kinds] * draw.gamma(8, 1 / 8, (256, 256, 1)))
pixels[..., 0] = 250 * draw.gamma(2, 0.5, (256, 256))
names = ["DNA", *(f"CD{number}" for number in range(1, 20))]
image = da.from_array(pixels.astype(np.uint16), chunks=(128, 128, 20))
image

# %% [markdown]
# ## The map
#
# `scale="standard"` gives every marker the same weight; without it only the bright stain would decide, and dasksom
# would warn of that. A blur of one pixel takes the noise of single photons out. The map sorts the pixels into 10 x 10
# units; similar units are neighbors.

# %%
som = BatchSOM(10, 10, epochs=10, scale="standard", features=Features(blur=1), random_state=0).fit(image)
som

# %% [markdown]
# ## Classes
#
# Units are grouped by Ward's linkage; those without pixels stay out, so the pixels of each are counted first. White
# lines are the borders of the classes, on the distances between neighboring units: they follow the ridges.

# %%
som.quality_ = som.evaluate(image)
classes = som.group(6)
show.plot_outlines(som, classes.numbers)

# %% [markdown]
# Which markers make a class? The heatmap compares the means of the classes, marker by marker.

# %%
labels = som.predict(image)
of_pixels = classes.of_labels(labels.compute())
means = np.array([pixels[of_pixels == number].mean(axis=0) for number in range(1, 7)])
table = {"name": list(classes.names), **{f"mean_{name}": means[:, band] for band, name in enumerate(names)}}
show.plot_heatmap(table)

# %% [markdown]
# The classes are those kinds of tissue that the image was made of:

# %%
counts = np.zeros((7, 6), int)
np.add.at(counts, (of_pixels.ravel(), kinds.ravel()), 1)
share = counts.max(axis=1).sum() / counts.sum()
print(f"{share:.1%} of the pixels are of the kind that most pixels of their class have")
figure, axes = plt.subplots(1, 2, figsize=(8, 4), layout="constrained")
axes[0].imshow(kinds, cmap="tab10", interpolation="nearest")
axes[0].set_title("kinds of tissue")
axes[1].imshow(np.vstack([[0, 0, 0], classes.colors])[of_pixels], interpolation="nearest")
axes[1].set_title("classes of the map")
for ax in axes:
    ax.set_axis_off()

# %% [markdown]
# ## Files
#
# `write` makes an OME-Zarr that napari opens: the labels, and the image in the colors of the map. From a shell,
# `dasksom classes multiplexed-output/labels.ome.zarr --count 6` adds the class image with its names and colors,
# `dasksom table` the areas and means, and `dasksom view` a page to look at it.

# %%
som.write(image, folder / "labels.ome.zarr", overwrite=True)
som.save(folder / "map.npz")
print(np.array_equal(dasksom.load(folder / "map.npz").predict(image).compute(), labels.compute()))
