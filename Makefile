# Two commands: `make run` and `make test`. Both set up .venv first, once.
SHELL := /bin/sh
BIN := .venv/bin
LOCK := $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url

.DEFAULT_GOAL := help
.PHONY: help setup run test check lock image-check clean

help: ## List the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 16

setup: ## Make .venv and install requirements.lock (does nothing when up to date)
	@sh scripts/setup.sh

run: setup ## Run the default use case, signals, end to end
	@$(BIN)/faultline run

test: setup ## Run all tests
	@$(BIN)/python -m pytest

check: setup ## Lint, format check, types, layers
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

lock: setup ## Resolve pyproject.toml anew into requirements.lock
	@UV_CACHE_DIR=.venv/cache $(LOCK) --group pyproject.toml:dev pyproject.toml -o requirements.lock

image-check: setup ## Build the container image without an engine and run faultline in it
	@sh scripts/image_check.sh

clean: ## Remove .venv and caches; output/ stays
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build ./*.egg-info
