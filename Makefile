# Every target sets up what it needs. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PYTEST_ARGS ?=

.PHONY: help setup demo test lint types imports unit soak bench clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(STAMP): pyproject.toml scripts/ligan
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Ligan needs Python >= 3.11; name one: make PYTHON=/path/to/python3"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable . --group dev
	@touch $@

setup: $(STAMP) ## make .venv with ligan and the development tools

demo: $(STAMP) ## the main job on real input, every step checked
	$(BIN)/python -m compileall -q src
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python scripts/demo.py

test: lint types imports unit ## everything CI checks

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

imports: $(STAMP)
	$(BIN)/lint-imports

unit: $(STAMP)
	$(BIN)/python -m compileall -q src
	$(BIN)/pytest -n auto --dist worksteal -m 'not soak' $(PYTEST_ARGS)

soak: $(STAMP) ## the long races and kills
	$(BIN)/pytest -m soak --timeout 3600 $(PYTEST_ARGS)

bench: $(STAMP) ## Ligan beside docker and skopeo (needs root and Debian's docker.io, skopeo)
	$(BIN)/python -m bench $(BENCH_ARGS)

clean: ## remove what the targets made
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis dist
