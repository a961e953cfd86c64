# %% [markdown]
# # From the bands of a satellite scene to kinds of ground
#
# A piece of a Sentinel-2 image, 3 x 2 km of desert hills with a dry river, that ships in the package
# `xarray-spatial`. It arrives as a Dataset of xarray and leaves as a DataArray of classes. This page needs `python -m
# pip install 'dasksom[examples]'`. Run it as `python examples/scene_classes.py`, or read
# [scene_classes.ipynb](scene_classes.ipynb), which is made of it.

# %%
from importlib.metadata import distribution

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from scipy.io import netcdf_file

from dasksom import BatchSOM, Features, show


def read(band):
    """Read a band of 10 m with its coordinates in meters."""
    path = distribution("xarray-spatial").locate_file(f"xrspatial/datasets/sentinel-2/{band}_band.nc")
    with netcdf_file(str(path), mmap=False) as file:
        values = file.variables["__xarray_dataarray_variable__"][:200, :300].astype(np.uint16)
        places = {axis: file.variables[axis][: values.shape[n]] for n, axis in enumerate("yx")}
        return xr.DataArray(values, places, ("y", "x"))


scene = xr.Dataset({band: read(band) for band in ("blue", "green", "red", "nir")})
scene

# %% [markdown]
# ## A map that compares the shape of the spectrum
#
# How bright the ground is depends on the slope and the sun; what it is made of shows in the shape of its spectrum.
# `metric="cosine"` compares by angle. A Dataset is trained on as it is: its variables are the bands.

# %%
som = BatchSOM(6, 6, epochs=20, metric="cosine", features=Features(blur=1), random_state=0)
som.fit(scene)

# %%
show.plot_component_planes(som)

# %% [markdown]
# ## Kinds of ground
#
# The labels are a DataArray with the coordinates of the scene, as are the classes made of them: `rio.to_raster` of
# rioxarray writes them as a GeoTIFF where the scene has a coordinate system. The blur keeps single pixels from
# standing out.

# %%
labels = som.predict(scene)
classes = som.group(5, hits=som.evaluate(scene).hits)
ground = labels.copy(data=classes.of_labels(labels.data))
ground.sizes, ground.dtype

# %%
ndvi = (scene.nir.astype(float) - scene.red) / (scene.nir.astype(float) + scene.red)
for number in range(1, 6):
    inside = ground == number
    print(f"class {number}: {float(inside.mean()):6.1%} of the scene, NDVI {float(ndvi.where(inside).mean()):.3f}")

# %%
colors = np.stack([scene[band].data for band in ("red", "green", "blue")], -1)
low, high = np.percentile(colors, [2, 98], axis=(0, 1))
figure, axes = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
axes[0].imshow(((colors - low) / (high - low)).clip(0, 1))
axes[0].set_title("red, green, blue")
axes[1].imshow(np.vstack([[0, 0, 0], classes.colors])[ground.data], interpolation="nearest")
axes[1].set_title("kinds of ground")
for ax in axes:
    ax.set_axis_off()

# %% [markdown]
# ## From a shell
#
# The same for files of any size, one a band, with the georeference kept and a legend for QGIS:
#
# ```
# dasksom quantize B02.tif B03.tif B04.tif B8A.tif ground.tif --stack --grid 6x6 --metric cosine --classes 5
# ```
#
# [satellite_scene.py](satellite_scene.py) does that with bands of 10 and 20 m.
