"""Suggest conversions of files in unsupported formats."""

from __future__ import annotations

from dasksom.storage.local_paths import match_suffix

_PILLOW = "convert it to PNG first (Pillow: Image.open('IN').convert('RGB').save('OUT.png'))"
_HEIF = f"install pillow-heif, call pillow_heif.register_heif_opener(), and {_PILLOW}"
_GDAL = "convert it to GeoTIFF first: gdal_translate -co TILED=YES IN OUT.tif (GDAL, or rio convert of rasterio)"
_HEADER = "give the header next to it (.hdr), which names its format; without one, describe it in a GDAL .vrt"
_XARRAY = "open it with xarray and pass one of its arrays to open_image, or write it with to_zarr"
_BIOFORMATS = "convert it to OME-Zarr first: bioformats2raw IN OUT.zarr (Glencoe Software)"
_OPENSLIDE = f"{_BIOFORMATS}; or read it with openslide-python"
_RAW = "develop it to a 16-bit TIFF first (rawpy, darktable, dcraw -T -4)"
_NUMPY = "load it with NumPy and pass the array to BatchSOM, or write it with zarr.save"
_ZIP = "rename it to end in .zarr.zip if it holds a Zarr store, or unpack it first: unzip IN"
_SUFFIXES = {
    ".dib .tga .ico .pcx .sgi": _PILLOW,
    ".heic .heif": _HEIF,
    ".bil .bip .bsq .raw": _HEADER,
    ".jp2 .jpx .ecw .sid .img .grd .ntf .nitf .hgt .dem .ers .safe .kea .gpkg": _GDAL,
    ".cdf .hdf .he5 .grib .grb .grib2": _XARRAY,
    ".czi .nd2 .lif .oib .oif .lsm .ims .vsi .dv .zvi .ics": _BIOFORMATS,
    ".mrxs .svslide .bif .dcm .dicom .vms .vmu .isyntax": _OPENSLIDE,
    ".cr2 .cr3 .nef .arw .dng .orf .rw2 .raf": _RAW,
    ".npy .npz .csv .parquet .mat": _NUMPY,
    ".zip": _ZIP,
}
CONVERSIONS = {suffix: way_out for suffixes, way_out in _SUFFIXES.items() for suffix in suffixes.split()}
"""Suggested conversion by suffix."""
_ANY = "convert it to TIFF first: vips copy IN OUT.tif (libvips), or magick IN OUT.tif (ImageMagick)"
_KINDS = {
    b"GIF8": ".gif",
    b"BM": ".bmp",
    b"%!PS": ".ps",
    b"%PDF": ".pdf",
    b"8BPS": ".psd",
    b"\0\0\0\x0cjP": ".jp2",
    b"\xff\x4f\xff\x51": ".j2k",
    b"\x89HDF": ".h5",
    b"CDF": ".nc",
    b"SIMPLE": ".fits",
    b"PK\3\4": ".zip",
    b"\xff\x0a": ".jxl",
    b"\x93NUMPY": ".npy",
    b"II*\0": ".tif",
    b"MM\0*": ".tif",
    b"\x89PNG": ".png",
    b"\xff\xd8\xff": ".jpg",
}


def kind_by_content(start: bytes) -> str | None:
    """Return the usual suffix of files with these first bytes; None if they are unknown."""
    if start[4:8] == b"ftyp":
        return ".avif" if start[8:12] in (b"avif", b"avis") else ".heic"
    return next((suffix for magic, suffix in _KINDS.items() if start.startswith(magic)), None)


def way_out_of(name: str) -> str:
    """Return the suggested conversion of a file in an unsupported format, by its name or suffix."""
    if name.lower().endswith((".tif", ".png", ".jpg")):
        return f"rename it to end in {name[name.rindex('.') :].lower()}"
    return match_suffix(name, CONVERSIONS) or _ANY
