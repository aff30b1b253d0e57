# Everything a newcomer needs: `make demo`, `make test`. Each installs first what is missing, into this folder alone.
# Needs Python 3.11 or newer and make; no Docker, no Java, no root.

SHELL := /bin/sh
BIN := .venv/bin
STAMP := .local/setup.stamp
# One more than two cores: the long tests wait for processes and servers most of the time.
TEST_WORKERS ?= 3
MEMBERS := $(wildcard libs/*/pyproject.toml services/*/pyproject.toml sandbox/pyproject.toml)

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint format bench chaos mutants schemas lock clean

help: ## Say what there is
	@sed -n 's/^\([a-z]*\):.*## /\1|/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "  make %-9s %s\n", $$1, $$2 }'

setup: $(STAMP) ## Install what is missing: uv, the locked packages, PostgreSQL, a Java runtime, Kafka

$(STAMP): requirements.lock scripts/bootstrap.lock scripts/setup.py libs/localstack/src/mlc_localstack/kafka-jars.lock $(MEMBERS)
	@python=$$(sh scripts/find-python) && "$$python" scripts/setup.py
	@touch $@

demo: $(STAMP) ## Sell fifty orders in a sandbox shop and see them posted, to the cent
	@$(BIN)/mlc demo $(ARGS)

test: $(STAMP) ## Run all tests; those that are left out are listed with the reason
	@$(BIN)/pytest -n $(TEST_WORKERS) $(ARGS)

lint: $(STAMP) ## Check style, types, the direction of imports and the rules of the house
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python scripts/linters/house_rules.py

format: $(STAMP) ## Put the code into shape
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(STAMP) ## Measure; prints a table and JSON
	@$(BIN)/python -m benchmarks $(ARGS)

chaos: $(STAMP) ## Break everything at random, SEED=1 RUNS=1 ORDERS=20, and judge the books; SCHEDULE=file repeats a failure
	@$(BIN)/python -m chaos $(if $(SCHEDULE),--schedule $(SCHEDULE),--seed $(or $(SEED),1) --runs $(or $(RUNS),1) --orders $(or $(ORDERS),20)) $(ARGS)

mutants: $(STAMP) ## Break the code in small ways and see whether the tests notice (ARGS="--sample 20 --seed 1")
	@$(BIN)/python -m scripts.mutants $(ARGS)

schemas: $(STAMP) ## Write the JSON Schemas of all events to docs/schemas
	@$(BIN)/python -m mlc_common.events.schemas

lock: $(STAMP) ## Resolve all dependencies anew (for maintainers)
	@sh scripts/lock

clean: ## Remove everything that make has installed or made here
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m mlc_localstack clean; fi
	@rm -rf .venv .local .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
