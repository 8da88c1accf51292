# Every target sets up what it needs by itself, in .venv, from the hash-pinned locks.
# `make help` lists them; ARGS="…" hands further arguments to the command behind a target.

SHELL := /bin/sh
VENV ?= .venv
BIN := $(VENV)/bin
ROOMS := events flows automations services
ARGS ?=
export VENV
# Its Node is the one that was locked, and nobody asks a registry for a newer release.
export PYRIGHT_PYTHON_GLOBAL_NODE := 0
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

.DEFAULT_GOAL := help
.PHONY: help demo up test check format bench chaos test-peers lock clean setup setup-dev

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: setup ## the whole path once: events in, flows run, fail, heal, somebody is told
	@$(BIN)/upshot demo $(ARGS)

up: setup ## the service with its embedded store, on http://127.0.0.1:4280
	@$(BIN)/upshot up $(ARGS)

test: setup-dev ## all tests that need nothing but Python, the short chaos among them
	@$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadgroup tests $(ARGS)

check: setup-dev ## lint, format, types, the direction of imports, the house rules
	@failed=0; \
	for step in "ruff check ." "ruff format --check ." "mypy" "pyright" \
		"lint-imports --cache-dir .cache/imports" \
		"python scripts/check_house.py $(ROOMS)"; do \
		echo "== $$step"; $(BIN)/$$step || failed=1; \
	done; exit $$failed

format: setup-dev ## format the code and mend what ruff can mend
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: setup-dev ## measure, and write the table into docs/benchmarks.md
	@$(BIN)/python -m tests.benchmarks $(ARGS)

chaos: setup-dev ## kill everything at random moments, and print what held (takes long)
	@$(BIN)/python -m tests.chaos $(ARGS)
	@$(BIN)/python -m pytest -m chaos tests/chaos

test-peers: setup-dev ## against real peers from Debian packages, installed as root
	@scripts/peers
	@$(BIN)/python -m pytest -m peers tests/peers $(ARGS)

lock: ## write the locks anew from pyproject.toml (needs uv); ARGS=--upgrade for the newest
	@scripts/lock $(ARGS)

clean: ## remove the environment and what the tools keep
	rm -rf $(VENV) $(VENV).lock build dist *.egg-info .cache .coverage htmlcov \
		.mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

setup:
	@scripts/setup run

setup-dev:
	@scripts/setup dev
