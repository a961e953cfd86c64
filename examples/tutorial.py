# %% [markdown]
# # The colors of a photograph, learned by a self-organizing map
#
# The display of an old telephone shows nine colors, and you have a photograph. Which nine? This page lets a
# *self-organizing map* find them: first as the tutorials of [MiniSom](https://github.com/JustGlowing/minisom) do it,
# call by call, on one photograph in memory; then with `dasksom.BatchSOM`, which learns from every pixel; and at last
# on an image that does not fit in memory.
#
# It only needs `python -m pip install 'dasksom[plots]'`; the photograph ships with scikit-image. Run it from a
# shell as `python examples/tutorial.py`, or read [tutorial.ipynb](tutorial.ipynb), which is made of it and holds its
# pictures.

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from skimage import data
from sklearn.datasets import load_iris

import dasksom
from dasksom.demo import write_mosaic
from dasksom.minisom import MiniSom

folder = Path("tutorial-output")
folder.mkdir(exist_ok=True)

# %% [markdown]
# ## What a self-organizing map is
#
# A grid of *units*. Each holds as many numbers as one *sample* of the data: three for the color of a pixel. At first
# these numbers mean nothing. Then samples are shown to the map, one after the other, and each time
#
# 1. the units **compete**: the one whose numbers are nearest to the sample wins; it is the *best-matching unit*;
# 2. they **cooperate**: the winner's neighbors on the grid learn too, the less the farther away they sit; how far
#    that reaches is called *sigma*;
# 3. they **adapt**: each of them moves by a fraction of the distance (the *learning rate*) toward the sample.
#
# No one gives the map the right answer: there are no labels, and no error is passed back. Sigma and the learning rate
# shrink during the training. In the end every unit stands for some of the samples, and neighbors on the grid
# stand for similar ones. So a table of many columns becomes a flat map to look at, and the pixels of an image become
# few colors.
#
# Data is an array with a sample in each row. Here are seven iris flowers, measured in centimeters:

# %%
flowers = load_iris().data[::20][:7]
print(flowers)

# %% [markdown]
# A map of 6 x 6 units for samples of four numbers. It is shown 100 flowers, chosen at random among the seven; then we
# ask where each has its best-matching unit:

# %%
som = MiniSom(6, 6, 4, sigma=1.0, learning_rate=0.5, random_seed=1)
som.train_random(flowers, 100)
print([tuple(int(place) for place in som.winner(flower)) for flower in flowers])
print(f"mean distance of a flower to its unit: {som.quantization_error(flowers):.2f} cm")

# %% [markdown]
# `train_random` draws samples; `train_batch` takes them in the order in which they are stored. Units may start from
# random samples (`random_weights_init`) or along the plane in which the data spreads most (`pca_weights_init`).
#
# ## The photograph
#
# It has rows, columns and three bands: red, green, blue. The map wants a table with a pixel in each row:

# %%
photograph = data.coffee()
print(photograph.shape, photograph.dtype)
pixels = photograph.reshape(-1, 3)
print(pixels.shape, "of", len(np.unique(pixels, axis=0)), "different colors")

# %% [markdown]
# ## A map of nine colors
#
# 3 x 3 units, three numbers each (`input_len`; another number is an error, for a color has three). `sigma=0.1` lets
# neighbors learn next to nothing: here the colors matter, not their order. Units start at pixels chosen at
# random; we save a copy of these, to see later what was learned.

# %%
som = MiniSom(x=3, y=3, input_len=3, sigma=0.1, learning_rate=0.2, random_seed=1)
som.random_weights_init(pixels)
starting_weights = som.get_weights().copy()

# %% [markdown]
# Training shows 100 pixels to the map. `quantization` then gives for every pixel the color of its best-matching unit.

# %%
som.train_random(pixels, 100)
quantized = som.quantization(pixels)
print(quantized.shape)

# %% [markdown]
# These are rows again. To build the image, each goes back to its position. `np.unravel_index` gives the row and the
# column of pixel number *i* (tutorials of some years ago say `dims=`, which NumPy has since renamed to `shape=`):

# %%
rebuilt = np.zeros(photograph.shape)
for i, color in enumerate(quantized):
    rebuilt[np.unravel_index(i, shape=photograph.shape[:2])] = color
print("the same in one step:", (rebuilt == quantized.reshape(photograph.shape)).all())


# %% [markdown]
# Four panels: the photograph, the same in nine colors, and the map before and after. Floats between 0 and 255 are
# rounded to the bytes that a picture holds.


# %%
def four_panels(original, rebuilt, initial, learned, name):
    """Draw the original, the rebuilt image, and the colors of a map before and after it learned."""
    panels = {"original": original, "rebuilt": rebuilt, "initial colors": initial, "learned colors": learned}
    figure, axes = plt.subplots(2, 2, figsize=(9, 6.4), layout="constrained")
    for ax, (title, picture) in zip(axes.flat, panels.items(), strict=True):
        ax.imshow(np.clip(np.rint(picture), 0, 255).astype(np.uint8), interpolation="nearest")
        ax.set_title(title)
        ax.set_axis_off()
    figure.savefig(folder / name, dpi=100)
    plt.show()


four_panels(photograph, rebuilt, starting_weights, som.get_weights(), "minisom.png")

# %% [markdown]
# How good is it? The *mean squared error* is the mean of the squared distance between a pixel and its new color.


# %%
def mean_squared_error(rebuilt):
    """Return the mean squared distance between the colors of the photograph and of another image."""
    return ((rebuilt - photograph.astype(float)) ** 2).sum(axis=-1).mean()


print(f"shown 100 pixels: {mean_squared_error(rebuilt):.0f}")
som.train_random(pixels, 20_000)
more = som.quantization(pixels).reshape(photograph.shape)
print(f"shown 20,000 more: {mean_squared_error(more):.0f}")

# %% [markdown]
# A hundred of 240,000 pixels are not many, and what a map learns from them depends on which they are. The calls above
# are MiniSom's own, and give MiniSom's numbers for the same seed; in `dasksom` they run in compiled loops, so that
# showing a map more pixels costs little.
#
# ## The same with every pixel
#
# `BatchSOM` presents *all* pixels in each *epoch*, and moves the units after it, each to the mean of the pixels that
# chose it or a unit near it. There is no learning rate to choose, and no chance: the same image gives the same map.
# It takes the image as it is (no reshaping, there or back), and starts here from the same nine pixels as above.

# %%
som = dasksom.BatchSOM(3, 3, epochs=30, init=starting_weights, refine=80).fit(photograph)
rebuilt = som.quantize(photograph)
print(rebuilt.shape, rebuilt.dtype)
print(f"every pixel, in every epoch: {mean_squared_error(rebuilt):.0f}")
four_panels(photograph, rebuilt, starting_weights, som.weights_, "batch.png")

# %% [markdown]
# By default it starts from colors along the two directions in which those of the image spread most (`init="pca"`),
# and you need not choose nine pixels. `refine=80` is for the least error; without it, and with a sigma that stays at
# half a step of the grid or more, neighbors on the map are more alike. Let 8 x 8 units start from any 64 pixels, and
# see how the colors come into order:

# %%
random = np.random.default_rng(0)
any_pixels = random.choice(pixels, 64).reshape(8, 8, 3)
ordered = dasksom.BatchSOM(8, 8, epochs=30, init=any_pixels, sigma=(4, 0.7)).fit(photograph)
four_panels(photograph, ordered.quantize(photograph), any_pixels, ordered.weights_, "ordered.png")
print(f"64 colors: {mean_squared_error(ordered.quantize(photograph)):.0f}")

# %% [markdown]
# ## An image of any size
#
# A slide or a satellite scene does not fit in memory; it is stored on disk in *chunks*. Let us make one: a mosaic of
# photographs in a Zarr folder. 4096 x 4096 pixels take seconds; 32768 x 32768, more than a gigapixel, take the same
# lines and some minutes.

# %%
side = 4096
if not (folder / "mosaic.zarr").exists():
    write_mosaic(folder / "mosaic.zarr", side=side)
image = dasksom.open_image(folder / "mosaic.zarr", chunk_bytes=2**24)  # at most 16 MiB; 64 by default
print(image.shape, image.dtype, "in", image.npartitions, "chunks")

# %% [markdown]
# `image` is a dask array: nothing was read yet. `fit` reads it chunk by chunk, on the threads of this machine, or on
# the workers of a cluster if you made a `dask.distributed.Client` before. The steps are the same, and so is the
# figure. The result of `quantize` is lazy too: it is computed while it is written, and never complete in memory.

# %%
rows, columns = random.integers(0, side, (2, 9))
starting_weights = image.vindex[rows, columns].compute().reshape(3, 3, 3)  # nine pixels, from anywhere
som = dasksom.BatchSOM(3, 3, epochs=30, init=starting_weights, refine=80).fit(image)
som.quantize(image).to_zarr(folder / "nine-colors.zarr", zarr_format=3, overwrite=True)
nine_colors = dasksom.open_image(folder / "nine-colors.zarr")
smaller = [lazy[::10, ::10].compute() for lazy in (image, nine_colors)]  # to look at
four_panels(*smaller, starting_weights, som.weights_, "mosaic.png")
print(f"mean squared error over all {image.shape[0] * image.shape[1]:,} pixels: {som.quality_.mean_squared_error:.0f}")
print(f"pixels of each unit: {som.quality_.hits.tolist()}")

# %% [markdown]
# The command line does the same in one line, with all cores, and writes labels, image and palette:
#
# ```
# dasksom quantize tutorial-output/mosaic.zarr tutorial-output/reduced.zarr --grid 3x3
# ```
#
# ## Save the map, use it again
#
# A map is saved without the image. Load it to put other images into the same colors:

# %%
som.save(folder / "nine-colors.npz")
again = dasksom.load(folder / "nine-colors.npz")
labels = again.predict(photograph)  # the number of each pixel's unit
print(labels.shape, labels.dtype, "units", labels.min(), "to", labels.max())
print("the same as before it was saved:", (again.quantize(photograph) == som.quantize(photograph)).all())

# %% [markdown]
# Maps have other uses than colors: [countries by their quality of life](quality_of_life.py), [finding unusual
# samples](outliers.py) by their distance to the map, [compression](compression.py), and [what else is here](README.md).
