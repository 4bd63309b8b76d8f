# Two commands do all set-up: `make demo` and `make test`. Needs Python >= 3.11, git and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PLUGINS := email sms twitter instagram web pos
SOURCES := src $(PLUGINS:%=plugins/%/src)
EDITABLE := -e ".[server,dev]" -e "plugins/email[sandbox]" $(PLUGINS:%=-e plugins/%)
FILES := pyproject.toml constraints.txt $(PLUGINS:%=plugins/%/pyproject.toml)

.DEFAULT_GOAL := help
.PHONY: help demo test check format docs bench serve reliability million clean

help:  ## Say what can be made.
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

$(VENV)/.ready: $(FILES)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Omnibus needs Python 3.11 or newer: make PYTHON=python3.12 …"; exit 1; }
	@echo "Setting up $(VENV) (once)…"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt uv
	@$(BIN)/uv pip install -q -p $(BIN)/python -c constraints.txt $(EDITABLE)
	@touch $@

demo: $(VENV)/.ready  ## Tell J1 and J2: one customer, six channels, no account needed.
	@$(BIN)/omnibus demo

test: $(VENV)/.ready  ## Run every test.
	@$(BIN)/python -m pytest -q -n 2 --dist loadscope -m "not reliability"

check: $(VENV)/.ready  ## What CI checks: ruff, mypy, imports, docs, pins.
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check -q .
	@$(BIN)/mypy $(SOURCES)
	@$(BIN)/lint-imports --no-cache
	@! grep -n '://' constraints.txt
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict -q -d $(VENV)/site

format: $(VENV)/.ready  ## Format the code.
	@$(BIN)/ruff check --fix-only -q . ; $(BIN)/ruff format -q .

docs: $(VENV)/.ready  ## Serve the docs on this machine.
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve

bench: $(VENV)/.ready  ## Measure this machine beside its peers, in about 20 minutes; BENCH="--full" takes an hour or two.
	@$(BIN)/uv pip install -q -p $(BIN)/python -c constraints.txt -e ".[bench]"
	@command -v redis-server >/dev/null || echo "redis-server is not here, so Celery is not measured: apt-get install redis-server, brew install redis …"
	@$(BIN)/omnibus bench $(BENCH)

serve: $(VENV)/.ready  ## Open the example shop, its till and a played outside world on this machine.
	@$(BIN)/omnibus demo --serve

reliability: $(VENV)/.ready  ## Kill it, quick tier: demo, workers, database, network; accounts compared.
	@$(BIN)/python -m pytest -q tests -m reliability

million: $(VENV)/.ready  ## A campaign to a million on PostgreSQL, paused, killed, compared; MILLION="--store sqlite --people 100000".
	@$(BIN)/python -m tests.reliability.million $(MILLION)

clean:  ## Remove what was made.
	@rm -rf $(VENV) omnibus-demo site
