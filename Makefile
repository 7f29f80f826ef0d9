# Nothing to type first: each target makes the environment it needs, or reuses it. `make help` lists them.

PYTHON ?= python3
VENV   ?= .venv
EXTRAS ?=
JOBS   ?= 2
LIVE   ?=
HASHED ?=
SITE   ?=
PLAN   ?=
PYTEST_ARGS ?=

PY      := $(VENV)/bin/python
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
# The network baseline's published numbers were computed with this release.
HELD    := torch==2.13.0

# One linear-algebra thread a process: the parallelism is over processes, and results do not depend on it.
export OMP_NUM_THREADS = 1
export OPENBLAS_NUM_THREADS = 1
export MKL_NUM_THREADS = 1
export PIP_DISABLE_PIP_VERSION_CHECK = 1
export PYDEVD_DISABLE_FILE_VALIDATION = 1
# nbgrader and jupyter call programs by name.
export PATH := $(abspath $(VENV))/bin:$(PATH)

.DEFAULT_GOAL := help
.PHONY: help book lite pdf slides offline versions test test-fast test-nightly browser-test live live-test notebooks notebooks-check assignments \
        constraints mutants mutation-score engine-load reproduce audit archives lint format environment clean distclean

# A stamp says which extras are installed, for which Python: $(call with,book classroom).
comma := ,
space := $(subst ,, )
with   = $(VENV)/.with-$(VERSION)-$(subst $(space),$(comma),$(strip $(1) $(EXTRAS)))

# What a stamp names, and all that is installed: what is left out of an installation would keep its old pins.
stamps = $(wildcard $(VENV)/.with-$(VERSION)-*)
named  = $(subst $(comma),$(space),$(patsubst $(VENV)/.with-$(VERSION)-%,%,$(1)))
extras = $(subst $(space),$(comma),$(sort $(call named,$@ $(stamps))))

# HASHED=1: each file of others is checked against the hashes of its version, and nothing that has none comes in.
# pip asks it of every file or of none, so that this takes all extras but those of EXTRAS, on the Python named there.
unknown = $(sort $(filter-out book classroom test test-browser,$(EXTRAS) $(subst $(comma),$(space),$(extras))))
hashed = test -z "$(unknown)" || { echo "HASHED=1 knows no hashes for $(unknown)" >&2; exit 2; }; \
  $(PY) -m pip install -qq --no-input --require-hashes -r constraints-hashed.txt && \
  $(PY) -m pip install -qq --no-input --no-index --no-deps --no-build-isolation -e .

BOOK := $(call with,book classroom)
TEST := $(call with,book classroom test)

help: ## list the targets
	@echo "make TARGET [PYTHON=python3.12] [VENV=.venv] [EXTRAS=network] [HASHED=1] [JOBS=2] [PYTEST_ARGS=...]"
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1\t\2/' | expand -t 20

environment: $(TEST) ## make or reuse the virtual environment

# The stamp comes last: an installation that was interrupted is done again.
$(VENV)/.with-$(VERSION)-%: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("\npairint needs Python 3.11 or later; \
	this is " + sys.version.split()[0] + ". Name another one: make PYTHON=python3.12 ...\n")'
	@test "$$($(PY) -c 'import pip, sys; print("%d.%d" % sys.version_info[:2])' 2>&1)" = "$(VERSION)" \
	  || { echo "Creating the environment $(VENV) with Python $(VERSION)"; \
	       $(PYTHON) -m venv --clear $(VENV) || { rm -rf $(VENV); \
	       echo "No virtual environment: install a complete Python (Debian, Ubuntu: apt install python$(VERSION)-venv)" \
	            "or name another one: make PYTHON=python3.12 ..." >&2; exit 2; }; }
	@echo "Installing pairint with $(extras): once, a few minutes"
	@$(if $(HASHED),$(call hashed),$(PY) -m pip install -qq --no-input -c constraints.txt -e ".[$(extras)]")
	@touch $@ $(stamps)

book: $(BOOK) ## build the whole book, every cell executed (FRESH=1: nothing from the cache; LIVE=0: no page runs in the browser)
	@PAIRINT_LIVE=$(LIVE) $(PY) tools/build_book.py $(if $(FRESH),--fresh)

lite: $(call with,book classroom lite) ## put JupyterLab in the browser beside the book that `make book` has built, offered on its pages
	@$(PY) tools/lite.py

pdf: $(call with,book classroom paper) ## print the book that `make book` has built to one PDF, offered on its pages (needs Chromium)
	@$(PY) tools/paper.py

slides: $(call with,book classroom paper) ## print the figures of a plan for instructors as slides (PLAN="One week"; needs Chromium)
	@$(PY) tools/slides.py $(if $(PLAN),--plan "$(PLAN)")

offline: $(BOOK) ## pack the book that `make book` has built into one archive to read without a network, offered on its pages
	@$(PY) tools/offline.py

versions: $(BOOK) ## put the book that `make book` has built into a site of all its versions (SITE=folder)
	@$(PY) tools/versions.py $(if $(SITE),--site "$(SITE)")

live: $(BOOK) ## fetch, once, the Python that runs pages in the browser: later books have it
	@$(PY) tools/vendor.py --live

test: $(TEST) ## run the tests; says what is skipped, and why
	@$(PY) -m pytest -n $(JOBS) --dist loadfile $(PYTEST_ARGS)

test-fast: $(TEST) ## run the quick tests only: for the inner loop
	@$(PY) -m pytest -q -n $(JOBS) --dist loadfile --no-browser -m "not slow" $(PYTEST_ARGS)

test-nightly: $(TEST) ## run the tests with stored cells drawn anew
	@PAIRINT_TEST_SEED=random $(PY) -m pytest -n $(JOBS) --dist loadfile --no-browser $(PYTEST_ARGS)

browser-test: $(call with,book classroom test test-browser) ## check the built pages in a headless Chromium
	@$(PY) tools/vendor.py --tests
	@PAIRINT_BROWSER=required $(PY) -m pytest tests/browser -n $(JOBS) --dist loadgroup $(PYTEST_ARGS)

live-test: $(call with,book classroom test test-browser) ## run every page that offers it in the browser to its end, and every assignment (an hour)
	@PAIRINT_BROWSER=required PAIRINT_LIVE_PAGES=all $(PY) -m pytest tests/browser/test_live.py tests/browser/test_lite.py \
	  -k "numbers_of_the_built_page or answers_at_once" $(PYTEST_ARGS)

notebooks: $(BOOK) ## write the .ipynb beside each .md notebook
	@$(PY) tools/notebooks.py

notebooks-check: $(BOOK) ## fail if a .ipynb is out of step with its .md
	@$(PY) tools/notebooks.py --check

assignments: $(BOOK) ## write student versions and solutions of the assignments
	@$(PY) tools/assignments.py

constraints: $(BOOK) ## refresh the pinned versions, the newest and the oldest
	@$(PY) -m pip install -qq uv
	@{ echo "# What the book is built and tested with: \`make constraints\` writes it (Python $(VERSION))."; \
	   echo "$(HELD)" | $(PY) -m uv pip compile -q --python-version $(VERSION) --no-annotate --no-header --constraints - pyproject.toml \
	   $(foreach extra,book classroom dask fast lab lite network paper test test-browser,--extra $(extra)); } > constraints.new
	@{ echo "# The lower bounds of pyproject.toml, as pins: \`make constraints\` writes them."; \
	   $(PY) -m uv pip compile -q --no-annotate --no-header --resolution lowest-direct --no-deps pyproject.toml; \
	 } > constraints-oldest.txt
	@mv constraints.new constraints.txt
	@{ echo "# The same versions with the hashes of their files, for HASHED=1: \`make constraints\` writes them."; \
	   $(PY) -m uv pip compile -q --python-version $(VERSION) --no-annotate --no-header --generate-hashes \
	   --constraints constraints.txt pyproject.toml $(foreach extra,book classroom test test-browser,--extra $(extra)); \
	 } > constraints.new
	@mv constraints.new constraints-hashed.txt

mutants: $(TEST) ## change one place of the code at a time, and see that a test fails
	@$(PY) tools/mutants.py

mutation-score: $(TEST) ## change the core at 200 random places; at least 95 % of the changes must be noticed
	@$(PY) tools/mutation_score.py --sample 200 --seed $(or $(SEED),$$(date +%j))

engine-load: $(TEST) ## kill workers, fill disks, stop runs: nothing may be lost (half an hour)
	@$(PY) benchmarks/engine_load.py --check

reproduce: $(BOOK) ## build the last commit twice, each in a clean clone, and list the files that differ
	@$(PY) tools/reproduce.py

audit: $(BOOK) ## ask PyPI's advisories about the pinned versions
	@$(PY) -m pip install -qq pip-audit
	@$(PY) -m pip_audit --disable-pip --require-hashes -r constraints-hashed.txt

archives: $(TEST) ## make dist/: the archives of a release, and what they are built with (CycloneDX)
	@rm -rf dist && mkdir dist
	@SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct 2>/dev/null || echo 315532800) $(PY) tools/archives.py dist
	@$(PY) tools/sbom.py dist/sbom.cdx.json

lint: $(TEST) ## check the style and the types of the code
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy

format: $(TEST) ## rewrite the code in the style that `make lint` checks
	@$(PY) -m ruff check --fix-only --quiet .
	@$(PY) -m ruff format .

clean: ## remove what is built, keep the environment
	rm -rf _build build dist results .pytest_cache .ruff_cache .mypy_cache .hypothesis

distclean: clean ## remove the environment and the fetched JavaScript too
	rm -rf $(VENV) book/assets/vendor *.egg-info
