# GeoTIFFs that terra does not write: turned, flipped, with masks or overviews, of any type. `cells`
# is an array (bands, rows, columns) in the order of the file; `transform` is that of rasterio,
# six numbers or NULL; `...` goes to rasterio's profile.
write_tif <- function(cells, transform, ..., path = tempfile(fileext = ".tif"), crs = "EPSG:32723") {
  python_module()
  reticulate::py_run_string(write_tif_code)
  profile <- list(dtype = "float64", crs = crs, driver = "GTiff", ...)
  reticulate::py$write_tif(path, cells, if (!is.null(transform)) as.list(transform), profile)
  path
}

write_tif_code <- "
import warnings
import numpy as np
import rasterio

def write_tif(path, cells, transform, profile):
    cells = np.asarray(cells)
    extra = {key: profile.pop(key, None) for key in ('scales', 'offsets', 'colours', 'mask')}
    levels = profile.pop('overviews', None)
    if profile['dtype'] in ('uint8', 'int8') and 'photometric' not in profile:
        profile['photometric'] = 'minisblack'
    count, height, width = cells.shape
    if transform is not None:
        profile['transform'] = rasterio.Affine(*transform)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
            with rasterio.open(path, 'w', count=count, height=height, width=width, **profile) as f:
                f.write(cells.astype(profile['dtype']))
                if extra['mask'] is not None:
                    f.write_mask(np.asarray(extra['mask']).astype(bool))
                if extra['scales'] is not None:
                    f.scales, f.offsets = extra['scales'], extra['offsets']
                if extra['colours'] is not None:
                    f.write_colormap(1, {int(k): (int(k), 0, 0, 255) for k in extra['colours']})
            if levels is not None:
                with rasterio.open(path, 'r+') as f:
                    f.build_overviews([int(level) for level in levels])
"

# What the functions of this package find in the cell under each point, (points, bands): the middle
# of patches that are not normalised.
cells_under <- function(points, stack, dataset = foundation_tile_dataset(
                          stack,
                          patch_size = 2, n_patches = 1, normalise = FALSE, seed = 1
                        )) {
  patches <- suppressWarnings(foundation_patches_at_coords(dataset, points, stack))
  matrix(patches[, , 2, 2], nrow = nrow(points))
}
