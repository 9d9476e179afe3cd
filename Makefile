# Everything from nothing: needs only Python (3.11 or newer) and make.
PYTHON ?= python3
SCENARIO ?= sapp2030
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
# A half-made environment is removed, so that the next make does not take it for whole.
# Stamps say what is installed; a change of pyproject.toml installs again.
INSTALLED := $(VENV)/.installed
INSTALLED_TEST := $(VENV)/.installed-test

.DEFAULT_GOAL := help
.PHONY: help run test mutants bench clean

help:
	@echo "make run     negotiate $(SCENARIO)  (SCENARIO=triangle, ARGS='--no-planner' ...)"
	@echo "make test    linters, types and tests"
	@echo "make mutants count which small changes of the code the tests notice (ARGS='costs --every 5')"
	@echo "make bench   time re-solves and measure efficiencies"
	@echo "make clean   remove the environment and caches; results stay"

run: $(INSTALLED)
	$(BIN)/python run.py --scenario $(SCENARIO) $(ARGS)

test: $(INSTALLED_TEST)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .
	$(BIN)/python -m pytest -n 2 --no-loadscope-reorder

mutants: $(INSTALLED_TEST)
	$(BIN)/python -m pip install --quiet -e ".[mutants]"
	nice -n 19 $(BIN)/python -m tests.mutants $(ARGS)

bench: $(INSTALLED)
	$(BIN)/python -m tests.bench $(ARGS)

$(BIN)/python:
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(INSTALLED): pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet -e .
	@touch $@

$(INSTALLED_TEST): pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet -e ".[test]"
	@touch $(INSTALLED) $@

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
