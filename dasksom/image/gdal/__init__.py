"""Read formats that only GDAL knows, through rasterio (`dasksom[gdal]`)."""
