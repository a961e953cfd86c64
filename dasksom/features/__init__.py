"""From bands to features: statistics of all pixels, in passes over their chunks."""
