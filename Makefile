# Everything this project can do; `make` or `make help` lists it. All of it lives in .venv, made on first use.
PYTHON ?= python3
PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
OPENAPI := import json; from app.main import api; print(json.dumps(api().openapi(), indent=2, ensure_ascii=False))

.DEFAULT_GOAL := help
.PHONY: help install run serve test test-system check format openapi lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): locks/dev.txt
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes -r locks/dev.txt
	@touch $@

install: $(READY) ## make .venv with the locked dependencies

run: $(READY) ## the whole journey on this machine: Valkey, the sandbox upstream and the BFF (PORT=8000)
	@$(BIN)/python -m app.sandbox --port $(PORT)

serve: $(READY) ## the production entry; settings come from the environment
	@$(BIN)/python -m app

test: $(READY) ## all tests that need no Debian package, with branch coverage over app and tests
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -m "not system"
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

test-system: $(READY) ## the tests that need Debian packages; a missing part is a failure
	$(BIN)/python -m pytest -m system

check: $(READY) ## style (a sentence for every test included), types, import contracts, Dockerfile
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint Dockerfile

format: $(READY) ## put the code into its form
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

openapi: $(READY) ## write openapi/bff.json anew; needs no Redis and no settings
	$(BIN)/python -c '$(OPENAPI)' > openapi/bff.json

lock: $(READY) ## resolve the dependencies anew, with hashes and without addresses
	$(BIN)/uv pip compile pyproject.toml $(LOCK) --output-file locks/run.txt
	$(BIN)/uv pip compile pyproject.toml $(LOCK) --group dev --output-file locks/dev.txt
LOCK := --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate

clean: ## forget .venv and everything generated
	rm -rf $(VENV) .coverage* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
