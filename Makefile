# edaphos-bridge: `make demo` shows it, `make test` checks it, `make setup` prepares for both.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
DEBIAN_12 := python/constraints/debian-12.txt
CONSTRAINTS ?= $(DEBIAN_12)

VENV := .venv
PY := $(VENV)/bin/python
RLIB := $(CURDIR)/build/rlib

PYTHON_READY := $(VENV)/.ready-python
RPY2_READY := $(VENV)/.ready-rpy2
R_READY := build/.ready-r

# Said of a Python from 3.13 on.
TOO_NEW = $(PYTHON) is newer than Python 3.12, for which there is no numpy 1.26, which $(CONSTRAINTS) \
	asks for because old versions of reticulate load no other. Use an older one, as make PYTHON=python3.12; \
	or newer packages, by make CONSTRAINTS=python/constraints/debian-13.txt (for R 4.5 with reticulate 1.45).

# What R needs to find this checkout's package and Python.
R_ENV := R_LIBS=$(RLIB) EDAPHOSBRIDGE_PYTHON=$(CURDIR)/$(PY)
# One thread: results and times do not depend on the number of cores.
THREADS := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
# The kernels of the simplest processor: a bound that only some processors keep fails under them.
PLAIN := ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41 MKL_CBWR=COMPATIBLE

.PHONY: help setup setup-python setup-r demo comparison fine-tuning few-labels two-sensors segmentation bench growth scale \
        test test-python test-first test-second test-r \
        test-plain test-modern lint \
        check-r document vignettes clean

help:
	@echo "make demo    real soil data, from Python and from R: map, table, figures, comparison"
	@echo "make test    lint, types, pytest (Python, rpy2) and testthat"
	@echo "make test-plain  pytest and testthat again, with the kernels of the simplest processor"
	@echo "make test-modern  pytest and testthat on Debian 13, in a root folder in ~/.cache (needs root)"
	@echo "make setup   .venv with the Python package; R, its packages and edaphosbridge in build/rlib"
	@echo "make comparison  does pretraining help? docs/results anew (under 15 minutes on two cores)"
	@echo "make fine-tuning  which way of fine-tuning? docs/results anew (under 20 minutes on one core)"
	@echo "make few-labels  does it pay with few labels? digits, Statlog: docs/results anew (under half an hour on two cores)"
	@echo "make two-sensors  SwAV on two groups of bands of a Landsat scene: docs/results anew (a quarter of an hour on two cores; needs r-cran-stars)"
	@echo "make segmentation  segmenters on two scenes: docs/results anew (under half an hour on one core)"
	@echo "make bench   what is promised about speed and memory, measured: docs/benchmarks.md anew"
	@echo "make growth  time and memory against N, C and H: docs/growth.md anew (up to half an hour)"
	@echo "make scale   what a map of a country costs, from rates measured here: docs/scale.md anew"
	@echo "make check-r   R CMD check --as-cran, with Python and without (needs qpdf)"
	@echo "make document  R documentation from roxygen comments (needs roxygen2)"
	@echo "make vignettes  the stored output of the vignettes anew"
	@echo "make clean   remove .venv and build"

setup: setup-python setup-r $(RPY2_READY)
setup-python: $(PYTHON_READY)
setup-r: $(R_READY)

$(PYTHON_READY): pyproject.toml $(CONSTRAINTS)
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 10) and 'Python 3.10 or newer is needed')"
ifeq ($(CONSTRAINTS),$(DEBIAN_12))
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info >= (3, 13) and '$(TOO_NEW)')"
endif
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --upgrade pip
	$(PY) -m pip install --quiet --constraint $(CONSTRAINTS) --editable '.[demo,test]'
	@touch $@

$(RPY2_READY): $(PYTHON_READY) $(R_READY)
	$(PY) -m pip install --quiet --constraint $(CONSTRAINTS) --editable '.[rpy2]'
	@touch $@

# Vignettes come with what R CMD build has built; without a Python it takes their stored output.
$(R_READY): r-wrapper/DESCRIPTION r-wrapper/NAMESPACE \
		$(wildcard r-wrapper/R/*.R r-wrapper/man/*.Rd r-wrapper/inst/* r-wrapper/vignettes/*.Rmd r-wrapper/vignettes/precomputed/*.md) \
		| $(PYTHON_READY)
	sh r-wrapper/tools/install-r.sh $(PY)
	@mkdir -p $(RLIB)
	@rm -f build/edaphosbridge_*.tar.gz
	{ (cd build && EDAPHOSBRIDGE_PYTHON=none R CMD build ../r-wrapper) && \
		R CMD INSTALL --library=$(RLIB) build/edaphosbridge_*.tar.gz && \
		test -s $(RLIB)/edaphosbridge/doc/soil-map.html; \
	} >build/install-r.log 2>&1 || { cat build/install-r.log; exit 1; }
	@touch $@

# The Python part ends before the R part begins, so that it is there where R is not.
demo: setup-python
	$(THREADS) $(PY) docs/demo/demo.py --out build/demo
	@$(MAKE) --no-print-directory setup-r || { echo "The Python part of the demo is done; see build/demo."; exit 1; }
	$(THREADS) $(R_ENV) Rscript docs/demo/demo.R build/demo

comparison: setup-python
	$(THREADS) $(PY) docs/comparison/comparison.py --out docs/results

fine-tuning: setup-python
	$(THREADS) $(PY) docs/comparison/fine_tuning.py --out docs/results

few-labels: setup-python
	$(THREADS) $(PY) docs/few_labels/digits.py --out docs/results
	$(THREADS) $(PY) docs/few_labels/statlog.py --out docs/results

# The scene is a file of R's package stars.
two-sensors: setup-python
	$(THREADS) $(PY) docs/two_sensors/two_sensors.py --out docs/results

segmentation: setup-python
	$(THREADS) $(PY) docs/segmentation/segmentation.py --out docs/results

# Without THREADS: torch chooses, as it does for a user.
bench: setup
	$(R_ENV) $(PY) -m benchmarks.bench $(ARGS)

growth: setup
	$(R_ENV) $(PY) -m benchmarks.growth $(ARGS)

scale: setup-python
	$(PY) -m benchmarks.scale $(ARGS)

# Three parts for two cores, each with one thread, the longest first.
SECOND := tests/interop tests/pretrain
BOTH = $(MAKE) --no-print-directory --jobs=2 --output-sync=target test-first test-r test-second

test: lint setup
	$(BOTH)

lint: setup-python
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

test-python: setup
	$(THREADS) $(R_ENV) $(PY) -m pytest

test-first: setup
	$(THREADS) $(R_ENV) $(PY) -m pytest $(SECOND:%=--ignore=%)

test-second: setup
	$(THREADS) $(R_ENV) $(PY) -m pytest $(SECOND)

test-r: setup
	$(THREADS) $(R_ENV) EDAPHOSBRIDGE_TEST_STRICT=true Rscript r-wrapper/tools/test.R

test-plain:
	$(PLAIN) $(BOTH)

check-r: setup
	$(THREADS) sh r-wrapper/tools/check.sh $(CURDIR)/$(PY)

test-modern:
	bash tools/test-modern.sh

document:
	cd r-wrapper && Rscript -e 'roxygen2::roxygenise(load_code = "source")'

vignettes: setup
	cd r-wrapper && $(THREADS) $(R_ENV) Rscript tools/precompute-vignettes.R

clean:
	rm -rf $(VENV) build
