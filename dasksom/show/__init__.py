"""Figures of maps, trainings and images, drawn by matplotlib (``dasksom[plots]``)."""

from dasksom.show.class_maps import plot_outlines, plot_pies
from dasksom.show.classes import plot_heatmap, plot_signatures
from dasksom.show.images import THUMBNAIL_SIDE, plot_before_after, plot_labels, thumbnail
from dasksom.show.maps import plot_component_planes, plot_hits, plot_palette, plot_swatches, plot_u_matrix
from dasksom.show.training import Recorder, plot_training, plot_trajectory
from dasksom.show.unit_cells import plot_codes, plot_texts

__all__ = [
    "THUMBNAIL_SIDE",
    "Recorder",
    "plot_before_after",
    "plot_codes",
    "plot_component_planes",
    "plot_heatmap",
    "plot_hits",
    "plot_labels",
    "plot_outlines",
    "plot_palette",
    "plot_pies",
    "plot_signatures",
    "plot_swatches",
    "plot_texts",
    "plot_training",
    "plot_trajectory",
    "plot_u_matrix",
    "thumbnail",
]
