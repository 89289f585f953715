# People call make; schedulers call `lifecycle` (GNU make turns every failure into exit code 2).
ENV ?= sandbox
PYTHON ?= $(firstword $(foreach p,python3 python3.13 python3.12 python3.11,$(shell $(p) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(p))))
VENV := .venv
BIN := $(VENV)/bin
LIFECYCLE := $(BIN)/python -m lifecycle --env $(ENV)
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install --require-hashes
JOBS ?= 2

.DEFAULT_GOAL := help
.PHONY: help apply plan verify rotate report status test test-unit test-recovery test-integration crash-test lint format \
        schema docs-check bench openbao sandbox-up sandbox-down clean ci lock servers announce

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | awk -F'\t' '{printf "  make %-16s %s\n", $$1, $$2}'
	@echo "  ENV=$(ENV) chooses the environment (a folder of environments/)"

# ---- set-up ---------------------------------------------------------------------------------------------------------

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "lifecycle needs Python 3.11 or newer: apt-get install python3 python3-venv"; exit 2; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "Python's venv module is missing: apt-get install python3-venv"; exit 2; }
	@echo "set-up    creating $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements/run.lock pyproject.toml | $(VENV)/bin/python
	@echo "set-up    installing locked packages, hashes checked (about a minute, once)"
	@$(PIP) -r requirements/run.lock
	@$(BIN)/python -m pip --disable-pip-version-check --quiet install --no-deps --no-build-isolation --no-index --editable .
	@touch $@

$(VENV)/.installed-dev: requirements/dev.lock $(VENV)/.installed
	@echo "set-up    installing locked development packages, hashes checked"
	@$(PIP) -r requirements/dev.lock
	@touch $@

# ---- what users run -------------------------------------------------------------------------------------------------

announce: $(VENV)/.installed
	@echo "environment: $(ENV)"

apply: announce ## one spec all the way: plan, gate, apply, rotate, verify, report
	@$(LIFECYCLE) apply

plan: announce ## what an apply would do, in words
	@$(LIFECYCLE) plan

verify: announce ## every connector of the environment
	@$(LIFECYCLE) verify

rotate: announce ## rotate every credential of a sandbox now; elsewhere those that are due
	@$(LIFECYCLE) rotate apply $(if $(filter sandbox%,$(ENV)),--all --wait,--due)

report: announce ## the last receipt on one screen
	@$(LIFECYCLE) report

status: announce ## what lapses next, what is open, what needs a person
	@$(LIFECYCLE) status

sandbox-up: announce ## start the local servers
	@$(LIFECYCLE) sandbox up

sandbox-down: $(VENV)/.installed ## stop the local servers
	@$(LIFECYCLE) sandbox down

openbao: $(VENV)/.installed ## build OpenBao with Go into the user's cache, for ENV=sandbox-vault
	@$(BIN)/python -m tests.servers.provision openbao

# ---- development ----------------------------------------------------------------------------------------------------

servers: $(VENV)/.installed-dev
	@$(BIN)/python -m tests.servers.provision all

test: servers ## every test, after the set-up of the test servers
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile tests

test-unit: $(VENV)/.installed-dev ## unit tests only: seconds, no network
	@$(BIN)/python -m pytest -n $(JOBS) tests/unit

test-recovery: $(VENV)/.installed-dev ## crash every step, resume, compare with the outside
	@$(BIN)/python -m pytest -n $(JOBS) tests/recovery

crash-test: servers ## kill real runs and OpenBao N times (SEED replays), then ask the providers
	@$(BIN)/python -m tests.recovery.crash_loop --kills $(or $(N),1000) $(if $(SEED),--seed $(SEED))

test-integration: servers ## real servers
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile tests/contract tests/integration

lint: $(VENV)/.installed-dev ## ruff, mypy strict, layers, docstrings
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/interrogate -q lifecycle

format: $(VENV)/.installed-dev ## rewrite the code in house format
	@$(BIN)/ruff check --fix -q . ; $(BIN)/ruff format -q .

schema: $(VENV)/.installed ## write policies/spec.schema.json, which editors complete specs with
	@$(BIN)/python -m lifecycle schema > policies/.spec.schema.json.new || { rm -f policies/.spec.schema.json.new; exit 1; }
	@mv policies/.spec.schema.json.new policies/spec.schema.json

bench: $(VENV)/.installed-dev ## measured goals, one line each
	@$(BIN)/python -m tests.benchmarks

ci: ## the one gate
	@bash .ci/run

lock: | $(VENV)/bin/python ## resolve requirements again (needs uv)
	@uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	  --extra sandbox --group build -o requirements/run.lock pyproject.toml
	@uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	  --extra sandbox --extra postgres --extra azure --extra github --extra kafka --group build --group dev \
	  -c requirements/run.lock -o requirements/dev.lock pyproject.toml

clean: ## remove what set-up and tests made in this checkout
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache dist build reports
