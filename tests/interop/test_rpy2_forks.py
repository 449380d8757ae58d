"""Forks that the embedded R makes refuse as those of R itself do."""

import json
import subprocess
import sys

CODE = """
import json
import numpy as np, torch
from rpy2 import robjects as ro
from edaphos_bridge.interop.rpy2 import converter, install

torch.set_num_threads(2)
install()
with converter.context():
    ro.globalenv["x"] = np.random.default_rng(1).normal(size=(60, 4, 9, 9))
answers = ro.r('''
encoder <- foundation_encoder("moco", 4, seed = 1)
y <- factor(rep(c("dry", "wet"), 30))
fit <- foundation_fit_classifier(encoder, x, y, epochs = 1, seed = 1)
caught <- function(code) {
  tryCatch({ code; "done" }, error = function(e) paste(class(e)[[1]], conditionMessage(e)))
}
answers <- parallel::mclapply(1:2, mc.cores = 2, function(i) {
  c(caught(predict(fit, x)), caught(foundation_fit_classifier(encoder, x, y, epochs = 1)),
    caught(foundation_moco_embed(encoder, x)), caught(foundation_moco_pretrain(x, epochs = 1)))
})
c(unlist(answers), caught(predict(fit, x)))
''')
print(json.dumps(list(answers)))
"""


def test_a_fork_by_mclapply_refuses_instead_of_hanging_and_the_parent_goes_on():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    *children, parent = json.loads(done.stdout.splitlines()[-1])
    assert len(children) == 8
    for text in children:
        assert text.startswith("edaphosbridge_forked_process this process was forked from an R")
        assert "makePSOCKcluster" in text
    assert parent == "done"
