# Everything this project can do; `make` or `make help` lists it. All of it lives in .venv, made on first use.
PYTHON ?= python3
PORT ?= 8000
ROUNDS ?= 5
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SANDBOX := $(VENV)/.sandbox
AUDIT := .venv-audit
MUTANTS := .venv-mutants
SHIPPED := var/shipped
OPENAPI := import json; from app.main import api; print(json.dumps(api().openapi(), indent=2, ensure_ascii=False))

# The tests of a file share its processes, so they run in one worker; more workers than processors make deadlines pass.
# The order is random; its seed is in the first lines.
IN_PARALLEL := -n auto --dist loadfile --no-loadscope-reorder
# Without compiled files every process of a test compiles its modules again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install quick lint run stack serve test test-system fuzz mutants soak chaos events bench lighthouse check format lint-openapi openapi docs rules lock sbom audit release clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

LOCKED := --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes
$(READY): locks/dev.txt
$(SANDBOX): locks/sandbox.txt
$(AUDIT)/.ready: locks/audit.txt
$(MUTANTS)/.ready: locks/mutants.txt
$(READY) $(SANDBOX) $(AUDIT)/.ready $(MUTANTS)/.ready:
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/pip install $(LOCKED) -r $<
	@touch $@

install: $(READY) ## make .venv with the locked dependencies

quick: lint ## a minute: style, types, import contracts and the tests that decide most
	$(BIN)/python -m pytest $(IN_PARALLEL) -m "not system" tests/unit tests/contract/test_serving.py

lighthouse: $(READY) ## Lighthouse on the reference page, phone and desktop; fails below 95. Needs npm and Chromium
	cd bench/lighthouse && npm ci --silent --ignore-scripts
	@$(BIN)/python -m bench.lighthouse

lint: $(READY) ## style (a sentence for every test included), types, import contracts
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

# It does not wait for what only the tests need.
run: $(or $(wildcard $(READY)),$(SANDBOX)) ## the whole journey on this machine: Valkey, the sandbox upstream and the BFF (PORT=8000)
	@$(BIN)/python -m app.sandbox --port $(PORT)

stack: ## the same in containers, with TLS: https://localhost (needs Docker with Compose 2.24 or newer)
	@deploy/compose/prepare
	@cd deploy/compose && docker compose --file compose.yaml --file sandbox.yaml up --build --detach --wait
	@echo "https://localhost shows the shop; its certificate was made here. To end it: docker compose --project-name return-portal-bff down"

serve: $(READY) ## the production entry; settings come from the environment
	@$(BIN)/python -m app

test: $(READY) ## all tests that need no Debian package, with branch coverage over app and tests
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest $(IN_PARALLEL) -m "not system"
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

test-system: $(READY) ## the tests that need Debian packages; a missing part is a failure
	$(BIN)/python -m pytest $(IN_PARALLEL) -m "system and not patient and not alone"
	$(BIN)/python -m pytest -n 3 --dist worksteal -m patient tests/fleet tests/system
	$(BIN)/python -m pytest -m alone tests/fleet tests/system

fuzz: $(READY) ## 5,000 cases made from the API description; prints the tables of docs/reports/schemathesis.md
	@$(BIN)/python -m bench.fuzz

mutants: $(MUTANTS)/.ready ## which changes of the code no unit or contract test notices; see docs/reports/mutants.md
	rm -rf mutants
	nice $(MUTANTS)/bin/mutmut run --max-children 1
	$(MUTANTS)/bin/mutmut results

soak: $(READY) ## does anything grow? ten minutes of quiet load with faults (SOAK_MINUTES=10); writes docs/reports/soak.md
	$(BIN)/python -m bench.soak

chaos: $(READY) ## is a return ever made twice, lost or stuck? ten minutes of trouble (CHAOS_MINUTES=10, CHAOS_SEED=1); writes docs/reports/chaos.md
	$(BIN)/python -m bench.chaos

events: $(READY) ## does each event reach its shop, once and soon? a thousand while replicas die (EVENTS_SEED=1); writes docs/reports/events.md
	$(BIN)/python -m bench.events

bench: $(READY) ## we beside FastAPI, Node and nginx: writes docs/reports/performance.md; one row alone: SCENARIO=P3
	@$(BIN)/python -m bench.beside $(SCENARIO) --rounds $(ROUNDS)

openapi/tools/node_modules: openapi/tools/package-lock.json
	cd openapi/tools && npm ci --silent --ignore-scripts
	@touch $@

lint-openapi:
	@if command -v npm >/dev/null; then $(MAKE) --silent openapi/tools/node_modules && cd openapi/tools && npm run --silent lint; \
		else echo "npm is not there: the API description is not linted"; fi

check: lint lint-openapi ## style, types, import contracts, deployment files, the API description
	$(BIN)/hadolint Dockerfile
	$(BIN)/yamllint --strict --config-data $(YAML) deploy
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec deploy/compose/compose.yaml deploy/compose/sandbox.yaml
	$(BIN)/kubernetes-validate --strict --quiet $(filter-out $(OPERATOR),$(wildcard deploy/kubernetes/*/*.yaml deploy/kubernetes/*/*/*.yaml))
# What kustomize and the Prometheus operator read has no schema there.
OPERATOR := %/kustomization.yaml %/monitor.yaml %/rules.yaml
YAML := '{extends: default, rules: {line-length: {max: 120}, document-start: disable}}'

format: $(READY) ## put the code into its form
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

openapi: $(READY) ## write openapi/bff.json and, where npm is there, the types of openapi/client
	$(BIN)/python -c '$(OPENAPI)' > openapi/bff.json
	@if command -v npm >/dev/null; then cd openapi/client && npm ci --silent --ignore-scripts && npm run --silent generate && npm run --silent build; \
		else echo "npm is not there: openapi/client stays as it is"; fi

docs: $(READY) ## write the pages of the problems and their index
	$(BIN)/python -m docs.generate

rules: ## write the alerts as the Prometheus operator takes them
	@sed -i '/^spec:/q' $(RULES) && sed -n '/^groups:/,$$s/^./  &/p;/^$$/p' deploy/prometheus/alerts.yaml >> $(RULES)
RULES := deploy/kubernetes/overlays/example/rules.yaml

lock: $(READY) ## resolve the dependencies again, with hashes and without addresses
	$(BIN)/uv pip compile pyproject.toml $(LOCK) --output-file locks/run.txt
	$(BIN)/uv pip compile pyproject.toml --extra otel --constraint locks/run.txt $(LOCK) --output-file locks/otel.txt
	$(BIN)/uv pip compile pyproject.toml --extra otel --group dev $(LOCK) --output-file locks/dev.txt
	$(BIN)/uv pip compile pyproject.toml --group sandbox --constraint locks/dev.txt $(LOCK) --output-file locks/sandbox.txt
	$(BIN)/uv pip compile pyproject.toml --extra otel --group dev --group mutants --constraint locks/dev.txt $(LOCK) --output-file locks/mutants.txt
	$(BIN)/uv pip compile --group audit $(LOCK) --output-file locks/audit.txt
LOCK := --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
	--constraint locks/minimums.txt

sbom: $(AUDIT)/.ready ## var/sbom.json: what the image installs, with licences (CycloneDX)
	$(PYTHON) -m venv --clear --without-pip $(SHIPPED)
	$(AUDIT)/bin/pip --python $(SHIPPED)/bin/python install $(LOCKED) -r locks/run.txt
	$(AUDIT)/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --output-file var/sbom.json $(SHIPPED)
	@$(PYTHON) locks/licences.py var/sbom.json

# Markers go, or pip-audit would leave packages of other interpreters out unseen; its report decides, not its exit status.
audit: $(AUDIT)/.ready ## known vulnerabilities of what is shipped, extra included; fails unless every package was looked up
	@mkdir -p var && rm -f var/audit.json
	@sed 's/ ;[^\\]*//' locks/otel.txt > var/audited.txt
	@$(AUDIT)/bin/pip-audit --disable-pip --require-hashes --requirement var/audited.txt --progress-spinner off \
		--format json --output var/audit.json || true
	@$(PYTHON) locks/audited.py locks/otel.txt var/audit.json

release: sbom ## var/release: source, API description, SBOM and image (where Docker answers), with their checksums
	@deploy/release

clean: ## forget .venv and everything generated
	rm -rf $(VENV) $(AUDIT) $(MUTANTS) mutants var openapi/client/node_modules bench/beside/node/node_modules \
		bench/lighthouse/node_modules openapi/tools/node_modules \
		.coverage* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
