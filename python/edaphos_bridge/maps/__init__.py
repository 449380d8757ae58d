"""Maps: what is computed of a raster, block by block, in constant memory."""
