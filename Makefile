# make demo | serve | stop | test | check: each makes .venv first, from the lock file.
# The first of these that runs: a shim may be found and still fail.
PYTHON ?= $(shell for each in python3.11 python3.12 python3.13; do $$each -c "import venv" 2>/dev/null && echo $$each && break; done)
VENV := .venv
BIN := $(VENV)/bin
export DO_NOT_TRACK := 1

.PHONY: demo serve stop test test-slow check bench lock clean

# The environment is up to date when the lock and the project file are older than this mark.
$(VENV)/.installed: requirements.lock pyproject.toml .ci/uv.lock
	@[ -n "$(PYTHON)" ] || { echo "no Python 3.11, 3.12 or 3.13 runs here: install one, or name it with make PYTHON=..."; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r .ci/uv.lock
	$(BIN)/uv pip sync --quiet --require-hashes --compile-bytecode --python $(BIN)/python requirements.lock
	$(BIN)/uv pip install --quiet --no-deps --no-build-isolation --python $(BIN)/python --editable .
	touch $@

demo: $(VENV)/.installed
	@# The wheel of quarto-cli downloads the program itself; where that is refused the report has another renderer.
	@command -v quarto >/dev/null || [ -x $(BIN)/quarto ] || timeout 120 $(BIN)/uv pip install --quiet --python $(BIN)/python quarto-cli >/dev/null 2>&1 \
	  || echo "quarto-cli could not be installed here; the report is rendered by pandoc instead"
	$(BIN)/bakeoff run digits

# Prefect's UI with a worker, and the reports, on 127.0.0.1: both addresses are printed. Its state lies in BAKEOFF_HOME.
serve: $(VENV)/.installed
	@$(BIN)/python -m flows.serve start

stop: $(VENV)/.installed
	@$(BIN)/python -m flows.serve stop

# Tests of one file share what it sets up, so they stay on one core.
PYTEST := $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

test: $(VENV)/.installed
	$(PYTEST) -m "not slow"

test-slow: $(VENV)/.installed
	$(PYTEST) -m slow

check: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The project beside its peers on five workloads: up to half an hour. The peers' packages come on top of the others.
bench: $(VENV)/.installed
	$(BIN)/uv pip install --quiet --require-hashes --no-deps --python $(BIN)/python -r tests/bench/requirements.lock
	$(BIN)/python -m tests.bench

lock: $(VENV)/.installed
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes --no-annotate \
	  --custom-compile-command "make lock" --quiet --output-file requirements.lock
	echo 'uv==$(shell $(BIN)/uv --version | cut -d" " -f2)' | $(BIN)/uv pip compile - --universal --python-version 3.11 \
	  --generate-hashes --no-annotate --custom-compile-command "make lock" --quiet --output-file .ci/uv.lock
	$(BIN)/uv pip compile pyproject.toml --extra bench -c requirements.lock --universal --python-version 3.11 \
	  --generate-hashes --no-annotate --custom-compile-command "make lock" --quiet \
	  $$(sed -n 's/^\([A-Za-z0-9._-]*\)==.*/--no-emit-package \1/p' requirements.lock) --output-file tests/bench/requirements.lock

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache *.egg-info
