# Everything a newcomer or CI runs. Needs python3 (3.11 or newer) and make; all else goes into .venv.
# `make check` is what CI runs (reduced sizes); `make soak` runs the named sizes and the benchmarks.

SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SECONDS_TO_RUN ?=
# They wait for servers half of the time, and leave a core to the others.
SERVED := tests/cluster tests/integration

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore

# Locks hold the index's own hashes: a folder of local wheels must not lend its.
COMPILE = env -u PIP_FIND_LINKS CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --generate-hashes \
	--no-emit-index-url --no-emit-find-links --strip-extras --allow-unsafe --no-build-isolation $(UPGRADE)

.PHONY: help install demo services services-down test test-services test-alone check soak lint format types layers doctest fix docs lock

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(STAMP) ## rtrec and its tools into .venv, from hashes

$(STAMP): requirements-dev.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "rtrec needs Python 3.11 or newer; $(PYTHON) is not on the PATH (make PYTHON=/path/to/python3)" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit("rtrec needs Python 3.11 or newer; $(PYTHON) is %d.%d (make PYTHON=/path/to/python3)" % v[:2] if v < (3, 11) else 0)'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "this Python has no venv module (on Debian: apt-get install python3-venv)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	$(BIN)/python -m rtrec.runtime.warm
	@touch $@

demo: $(STAMP) ## the embedded system with a simulated platform, until Ctrl-C or SECONDS_TO_RUN
	@$(BIN)/rtrec demo $(if $(SECONDS_TO_RUN),--seconds $(SECONDS_TO_RUN))

services: ## a local Kafka, Redis and Redis Cluster; `. .services/env` makes rtrec use them
	@$(PYTHON) services/services.py start

services-down: ## stop them; their data stays
	@$(PYTHON) services/services.py stop

test: $(STAMP) ## all tests: what needs real services in one session, beside it everything else
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target test-services test-alone

test-services: $(STAMP)
	$(BIN)/pytest $(SERVED) --durations=20

test-alone: $(STAMP)
	$(BIN)/pytest tests --durations=20 $(addprefix --ignore=,$(SERVED))

check: lint format types layers doctest test ## what CI runs

lint: $(STAMP) ## ruff's rules
	$(BIN)/ruff check .

format: $(STAMP) ## ruff's formatter has nothing to change
	$(BIN)/ruff format --check .

types: $(STAMP) ## mypy, strict
	$(BIN)/mypy src services $(wildcard streams/*.py)

layers: $(STAMP) ## imports go down the journey, and the core stays pure
	$(BIN)/lint-imports --no-logo

doctest: $(STAMP) ## examples in docstrings
	$(BIN)/pytest --doctest-modules src

soak: $(STAMP) ## the named sizes, then every benchmark
	RTREC_SOAK=1 $(BIN)/pytest tests
	@set -e; for file in $(wildcard benchmarks/[!_]*.py); do echo "== $$file"; PYTHONPATH=. $(BIN)/python $$file; done

fix: $(STAMP) ## format, and mend what ruff can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(STAMP) ## write the generated pages anew
	$(BIN)/python -m rtrec.docs

lock: $(STAMP) ## pin again what pyproject.toml asks for (UPGRADE=--upgrade takes the newest)
	$(COMPILE) --all-extras --output-file requirements-dev.lock pyproject.toml
	$(COMPILE) --constraint requirements-dev.lock --output-file requirements.lock pyproject.toml
	$(COMPILE) --extra cluster --constraint requirements-dev.lock --output-file requirements-cluster.lock pyproject.toml
	$(COMPILE) --build-deps-for wheel --only-build-deps --constraint requirements-dev.lock --output-file requirements-build.lock pyproject.toml
