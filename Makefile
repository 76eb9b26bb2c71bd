# make install · make serve · make test: nothing is needed but Python 3.11 with venv.
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell command -v python3.11 || command -v python3)
# Stamps: an install is repeated only when pyproject.toml changed.
SERVING := $(VENV)/serving.stamp
TESTING := $(VENV)/testing.stamp

.DEFAULT_GOAL := help
.PHONY: help install serve check test clean

help: ## Say what can be made
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

install: $(SERVING) ## Make .venv with what the service needs

serve: install ## Serve on 127.0.0.1:8000; data go to DISPATCH_DATA_DIR, else ./data
	exec $(BIN)/dispatch serve

check: $(TESTING) ## Style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: check ## Everything that must hold before a commit
	$(BIN)/pytest

clean: ## Remove the virtual environment, caches and build leftovers
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(SERVING): pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --editable .
	touch $@

# torch alone and first: resolved together with the rest, pip may choose a build with GPU libraries of gigabytes.
$(TESTING): pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet torch==2.13.0
	$(BIN)/pip install --quiet --editable '.[train,dev]'
	touch $@
