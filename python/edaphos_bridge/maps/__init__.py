"""Maps: what a model gives at every cell of a raster, of any size."""
