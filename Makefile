# Every target sets up what it needs by itself: only Python >= 3.11, pip and make must be there.
# Options go through ARGS, e.g.  make demo ARGS="--seconds 30"

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# What it takes to run and to try Headwater; and what it takes to work on it, which is all of that and three times the size.
BASE := $(VENV)/.headwater-base
DEV := $(VENV)/.headwater-dev
INSTALL := $(PYTHON) requirements/install.py $(VENV)

.DEFAULT_GOAL := help
.PHONY: help setup demo example serve test proof tools check bench crash lock

help:
	@echo "make demo    a running Headwater with a simulated app, then SQL answers (ARGS=\"--seconds 30\")"
	@echo "make example a React app with Amplify, a piano, on a running Headwater; needs Node.js (ARGS=\"--data DIR\")"
	@echo "make serve   serve the project in ./my-app, made if it is not there (ARGS=\"-C DIR --public-port 8700\")"
	@echo "make test    the tests that need nothing but Python, in some minutes (ARGS=\"tests/flow -k boto3\")"
	@echo "make proof   all other tests: browsers, Node.js, S3, dbt, crashes, power cuts, what measures (ARGS as above)"
	@echo "make check   ruff, mypy --strict, the import contracts"
	@echo "make bench   the measurements behind docs/performance.md (ARGS=\"--json\")"
	@echo "make crash   the long form of the crash tests (ARGS=\"--minutes 10\")"
	@echo "make setup   only the .venv, with everything that developers need (demo and serve install less)"

setup: $(DEV)

$(BASE): requirements/base.txt pyproject.toml
	@$(INSTALL) requirements/base.txt
	@touch $(BASE)

$(DEV): requirements/base.txt requirements/dev.txt pyproject.toml
	@$(INSTALL) requirements/dev.txt
	@touch $(BASE) $(DEV)

demo: $(BASE)
	@$(BIN)/headwater demo $(ARGS)

example: $(BASE)
	@$(BIN)/python examples/react-piano/run.py $(ARGS)

serve: $(BASE)
	@test -n "$(ARGS)" || test -d my-app || $(BIN)/headwater init my-app
	@$(BIN)/headwater serve $(if $(ARGS),$(ARGS),-C my-app)

TESTS := $(BIN)/python -m pytest -n auto --dist loadscope

test: $(DEV)
	@$(TESTS) -m "not proof" $(ARGS)

# What measures has the machine for itself, after all others. Exit code 5: ARGS chose none of that half.
proof: $(DEV)
	@$(TESTS) -m "proof and not alone" $(ARGS); together=$$?; \
	$(BIN)/python -m pytest -m alone $(ARGS); alone=$$?; \
	case $$together$$alone in 00|05|50) ;; *) exit 1 ;; esac

# What proofs install or build, once for each lock file, so that they do not wait for it.
tools: $(DEV)
	@$(BIN)/python -m tests.prepare

check: $(DEV)
	@$(BIN)/ruff check src benchmarks tests examples requirements
	@$(BIN)/ruff format --check src benchmarks tests examples requirements
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: $(DEV)
	@$(BIN)/python -m benchmarks $(ARGS)

crash: $(DEV)
	@$(BIN)/python -m tests.crash $(ARGS)

# For maintainers: pins every dependency with its hashes, and names no index. The base is pinned as the whole is.
PIN := $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate pyproject.toml
lock: $(DEV)
	$(BIN)/python -m pip install --disable-pip-version-check -q uv
	$(PIN) --all-extras --group dev -o requirements/dev.txt
	$(PIN) --extra demo --group build -c requirements/dev.txt -o requirements/base.txt
