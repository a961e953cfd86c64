"""Recipes of damaged files that once made something else than an error of ours."""

REGRESSIONS = [
    {"why": "a BigTIFF whose tile lies beyond 2^63", "base": "tiff-big", "file": 0, "edits": [["byte", 433, 128]]},
    {"why": "a TIFF whose lengths of tiles are text", "base": "tiff-zstd", "file": 19,
     "edits": [["twice", 371, 100], ["tag", 30, 1, 2], ["drop", 12867, 25], ["word", 72364, 8, 0]]},
    {"why": "a TIFF whose lengths of tiles are bytes", "base": "tiff-lzw", "file": 15,
     "edits": [["tag", 15, 1, 1], ["tag", 15, 1, 1], ["byte", 131072, 94]]},
    {"why": "a TIFF whose pages go round for hours", "base": "tiff-ome", "file": 6, "edits": [["twice", 6, 40]]},
    {"why": "labels of a Zarr output that are damaged, in a report", "base": "result-zarr", "file": 9,
     "edits": [["drop", 1473, 3], ["leaf", [5], 3], ["twice", 0, 57]]},
    {"why": "labels of a TIFF output that are damaged, in a report", "base": "result-tiff", "file": 17,
     "edits": [["number", 33, "-1"], ["tag", 20, 1, 1], ["tag", 11, 3, 256]]},
    {"why": "tiles of a TIFF output that have another size", "base": "result-tiff", "file": 19,
     "edits": [["tag", 19, 0, 0]]},
]  # fmt: skip
