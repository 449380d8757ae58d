"""Forks that the embedded R makes refuse as those of R itself do."""

import json
import subprocess
import sys

CODE = """
import json, sys
import numpy as np, rasterio, torch
from rpy2 import robjects as ro
from edaphos_bridge.interop.rpy2 import converter, install

torch.set_num_threads(2)
install()
with rasterio.open(
    sys.argv[1], "w", driver="GTiff", count=4, height=200, width=200, dtype="float64",
    transform=rasterio.Affine(1, 0, 0, 0, -1, 200),
) as file:
    file.write(np.random.default_rng(1).normal(size=(4, 200, 200)))
with converter.context():
    ro.globalenv["raster"] = sys.argv[1]
    ro.globalenv["x"] = np.random.default_rng(1).normal(size=(60, 4, 9, 9))
answers = ro.r('''
encoder <- foundation_encoder("moco", 4, seed = 1)
y <- factor(rep(c("dry", "wet"), 30))
fit <- foundation_fit_classifier(encoder, x, y, epochs = 1, seed = 1)
# so many that torch copies the places with both threads
tiles <- foundation_tile_dataset(raster, 9, 20000, seed = 1)
caught <- function(code) {
  tryCatch({ code; "done" }, error = function(e) paste(class(e)[[1]], conditionMessage(e)))
}
answers <- parallel::mclapply(1:2, mc.cores = 2, function(i) {
  c(caught(predict(fit, x)), caught(foundation_fit_classifier(encoder, x, y, epochs = 1)),
    caught(foundation_moco_embed(encoder, x)), caught(foundation_moco_pretrain(x, epochs = 1)),
    caught(foundation_tile_dataset(raster, 9, 20000)), caught(tiles$sample(2)),
    caught(foundation_patches_at_coords(tiles, cbind(20, 20), raster)),
    caught(encoder$normalisation <- tiles))
})
c(unlist(answers), caught(predict(fit, x)))
''')
print(json.dumps(list(answers)))
"""


def test_a_fork_by_mclapply_refuses_instead_of_hanging_and_the_parent_goes_on(tmp_path):
    command = [sys.executable, "-c", CODE, str(tmp_path / "a.tif")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    *children, parent = json.loads(done.stdout.splitlines()[-1])
    assert len(children) == 16
    for text in children:
        assert text.startswith("edaphosbridge_forked_process this process was forked from an R")
        assert "makePSOCKcluster" in text
    assert parent == "done"
