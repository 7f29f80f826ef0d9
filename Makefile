# Nothing to type first: each target makes the environment it needs, or reuses it. `make help` lists them.

PYTHON ?= python3
VENV   ?= .venv
EXTRAS ?=
JOBS   ?= 2
PYTEST_ARGS ?=

# What every target needs; EXTRAS adds to it, e.g. `make test EXTRAS=network`.
TOOLS := book classroom test $(EXTRAS)
PY    := $(VENV)/bin/python

# One linear-algebra thread a process: the parallelism is over processes, and results do not depend on it.
export OMP_NUM_THREADS = 1
export OPENBLAS_NUM_THREADS = 1
export MKL_NUM_THREADS = 1
export PIP_DISABLE_PIP_VERSION_CHECK = 1
export PYDEVD_DISABLE_FILE_VALIDATION = 1
# nbgrader and jupyter call programs by name.
export PATH := $(abspath $(VENV))/bin:$(PATH)

.DEFAULT_GOAL := help
.PHONY: help book test browser-test notebooks notebooks-check assignments constraints lint format environment clean distclean

help: ## list the targets
	@echo "make TARGET [PYTHON=python3.12] [VENV=.venv] [EXTRAS=network] [JOBS=2] [PYTEST_ARGS=...]"
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1\t\2/' | expand -t 20

environment: ## make or reuse the virtual environment
	@$(PYTHON) tools/environment.py $(VENV) $(TOOLS)

book: environment ## build the whole book, every cell executed (FRESH=1: nothing from the cache)
	@$(PY) tools/build_book.py $(if $(FRESH),--fresh)

test: environment ## run the tests; says what is skipped, and why
	@$(PY) -m pytest -n $(JOBS) --dist loadfile $(PYTEST_ARGS)

browser-test: TOOLS += test-browser
browser-test: environment ## check the built pages in a headless Chromium
	@$(PY) tools/vendor.py --tests
	@PAIRINT_BROWSER=required $(PY) -m pytest tests/browser -n $(JOBS) --dist loadfile $(PYTEST_ARGS)

notebooks: environment ## write the .ipynb beside each .md notebook
	@$(PY) tools/notebooks.py

notebooks-check: environment ## fail if a .ipynb is out of step with its .md
	@$(PY) tools/notebooks.py --check

assignments: environment ## write student versions and solutions of the assignments
	@$(PY) tools/assignments.py

constraints: environment ## refresh the pinned versions of the toolchain
	@$(PY) tools/constraints.py

lint: environment ## check the style of the code
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .

format: environment ## rewrite the code in the style that `make lint` checks
	@$(PY) -m ruff check --fix-only --quiet .
	@$(PY) -m ruff format .

clean: ## remove what is built, keep the environment
	rm -rf _build build dist results .pytest_cache .ruff_cache .hypothesis

distclean: clean ## remove the environment and the fetched JavaScript too
	rm -rf $(VENV) book/assets/vendor *.egg-info
