# Every target sets up what it needs by itself: only Python >= 3.11, pip and make must be there.
# Options go through ARGS, e.g.  make demo ARGS="--seconds 30"

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.headwater
SETUP := $(BIN)/python -m pip install --disable-pip-version-check --progress-bar off -q

.DEFAULT_GOAL := help
.PHONY: help setup demo example serve test check bench crash lock

help:
	@echo "make demo    a running Headwater with a simulated app, then SQL answers (ARGS=\"--seconds 30\")"
	@echo "make example a React app with Amplify, a piano, on a running Headwater; needs Node.js (ARGS=\"--data DIR\")"
	@echo "make serve   serve the project in ./my-app, made if it is not there (ARGS=\"-C DIR --public-port 8700\")"
	@echo "make test    the whole test suite (ARGS=\"tests/flow -k boto3\")"
	@echo "make check   ruff, mypy --strict, the import contracts"
	@echo "make bench   the measurements behind docs/performance.md (ARGS=\"--json\")"
	@echo "make crash   the long form of the crash tests (ARGS=\"--minutes 10\")"
	@echo "make setup   only the .venv"

setup: $(STAMP)

$(STAMP): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Headwater needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; try: make PYTHON=python3.12 $(MAKECMDGOALS)" if sys.version_info < (3, 11) else 0)'
	@echo "setting up $(VENV) (about a minute the first time)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(SETUP) --require-hashes --only-binary :all: -r requirements.txt
	@$(SETUP) --no-deps --no-build-isolation -e .
	@touch $(STAMP)

demo: $(STAMP)
	@$(BIN)/headwater demo $(ARGS)

example: $(STAMP)
	@$(BIN)/python examples/react-piano/run.py $(ARGS)

serve: $(STAMP)
	@test -n "$(ARGS)" || test -d my-app || $(BIN)/headwater init my-app
	@$(BIN)/headwater serve $(if $(ARGS),$(ARGS),-C my-app)

test: $(STAMP)
	@$(BIN)/python -m pytest -n auto --dist loadfile $(ARGS)

check: $(STAMP)
	@$(BIN)/ruff check src tests examples
	@$(BIN)/ruff format --check src tests examples
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: $(STAMP)
	@$(BIN)/headwater bench $(ARGS)

crash: $(STAMP)
	@$(BIN)/python -m tests.crash $(ARGS)

# For maintainers: pins every dependency with its hashes, and names no index.
lock: $(STAMP)
	$(SETUP) uv
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	  --all-extras --group dev pyproject.toml -o requirements.txt
