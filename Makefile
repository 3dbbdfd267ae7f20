# Maitre's commands. `make up` and `make test` are all that a newcomer needs; `make help` shows the rest.
SHELL := /bin/sh
.DEFAULT_GOAL := help
BEGAN := $(shell date +%s)

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
BIN := .venv/bin
CLI := $(BIN)/cli
UV := requirements/uv.sh
LOCKED := pip install --quiet --no-deps --require-hashes

.PHONY: help install server up down status test test-docker test-previous lint golden browser docker node bench soak lock clean

help: ## show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

up: install ## install, start the whole house, show where it is and who can sign in
	@$(CLI) init
	@$(CLI) up
	@echo; echo "Ready $$(( $$(date +%s) - $(BEGAN) )) seconds after \`make up\`. \`make down\` stops it."

down: ## stop the house; its data stays
	@if [ -x $(CLI) ]; then $(CLI) down; else echo "Nothing to do: Maitre is not installed here."; fi

status: install ## what runs, and where
	@$(CLI) status

install: .venv/installed .venv-open-webui/installed ## the two Python environments, from hash-locked lists

server: .venv/installed ## what a server with Docker needs: the command `cli`, without an Open WebUI outside of the containers

test: install browser docker node lint ## lint, then every test
	@$(BIN)/python -m pytest --durations=40 --durations-min=10

test-docker: install docker ## the stack alone, on a Docker engine of its own: rollouts under load and killed containers, too
	@$(BIN)/python -m pytest tests/docker

lint: install ## ruff and mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet . || { echo "Run: $(BIN)/ruff format ."; exit 1; }
	@$(BIN)/mypy

golden: install ## render the stacks of tests/compose/houses again; read the diff before you commit it
	@$(BIN)/python -m tests.compose.golden

bench: install .venv-litellm/installed ## measure everything side by side with its rivals (benchmarks/README.md); 45 minutes
	@$(BIN)/python -m benchmarks

soak: install ## half an hour of mixed traffic at a real gateway: nothing grows, the books agree (docs/soak.md; MINUTES=5: less)
	@$(BIN)/python -m tests.soak --minutes $(or $(MINUTES),30)

test-previous: install ## the last release's tests on this version's tables (RELEASE=v1.2.0: another one's)
	@$(BIN)/python -m tests.migrations.previous $(if $(RELEASE),--release $(RELEASE))

lock: .venv/bin/uv ## resolve the dependencies anew into requirements/ (UPGRADE=--upgrade: newer ones too)
	@echo uv | $(UV) $(COMPILE) -o requirements/uv.txt -
	@$(UV) $(COMPILE) --all-extras --overrides requirements/dev-overrides.txt -o requirements/dev.txt pyproject.toml
	@$(UV) $(COMPILE) --extra pipelines --extra gateway --extra ops -c requirements/dev.txt -o requirements/engine.txt \
		pyproject.toml
	@$(UV) $(COMPILE) --extra rag -c requirements/dev.txt -o requirements/rag.txt pyproject.toml
	@echo open-webui==0.12.4 | $(UV) $(COMPILE) --overrides requirements/open-webui-overrides.txt \
		-o requirements/open-webui.txt -
	@echo 'litellm[proxy]==1.98.0' | $(UV) $(COMPILE) -o requirements/litellm.txt -
	@! grep -n '://\|^--' requirements/*.txt || { echo "A lock file names a place; it must not."; exit 1; }

# Nothing younger than a week: time for a bad release to be withdrawn. The images (-c) hold what the tests run with.
COMPILE = pip compile --quiet --python-version 3.11 --generate-hashes --no-header --no-annotate \
	--exclude-newer '1 week' $(UPGRADE)

browser: # what the browser tests need from the system
	@if command -v chromium >/dev/null || command -v chromium-browser >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "Installing Chromium for the browser tests."; \
		export DEBIAN_FRONTEND=noninteractive; \
		{ apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-liberation; } \
			>/dev/null || echo "Chromium could not be installed; the browser tests will be skipped."; \
	else echo "Chromium is missing (Debian: chromium, fonts-liberation); the browser tests will be skipped."; fi

docker: # what the tests on a Docker engine need from the system
	@if command -v dockerd >/dev/null && command -v iptables >/dev/null && command -v debootstrap >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "Installing a Docker engine for the tests; it is started by them only."; \
		export DEBIAN_FRONTEND=noninteractive; \
		{ apt-get update -qq && apt-get install -y -qq --no-install-recommends docker.io iptables debootstrap; } \
			>/dev/null || echo "Docker could not be installed; the tests on a Docker engine will be skipped."; \
	else echo "Docker is missing (Debian: docker.io, iptables, debootstrap); the tests on an engine will be skipped."; fi

node: install # what the conformance tests of the Node client need
	@$(BIN)/python -m tests.conformance.node_package

clean: down ## remove the environments and caches; houses keep their data
	rm -rf .venv .venv-open-webui .venv-litellm .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis artifacts build
	rm -rf *.egg-info
	find . -name __pycache__ -prune -exec rm -rf {} +

.venv/bin/uv: requirements/uv.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' || \
		{ echo "Maitre needs Python 3.11 or 3.12; name one with make PYTHON=…"; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "Python's venv module is missing (Debian: python3-venv)."; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@touch $@

.venv/installed: .venv/bin/uv requirements/dev.txt pyproject.toml
	@echo "Installing Maitre into .venv"
	@$(UV) $(LOCKED) --python $(BIN)/python -r requirements/dev.txt
	@$(UV) pip install --quiet --no-deps --no-build-isolation --python $(BIN)/python -e .
	@touch $@

.venv-open-webui/installed: .venv/bin/uv requirements/open-webui.txt
	@echo "Installing Open WebUI into .venv-open-webui (1 GB)"
	@$(UV) venv --quiet --clear --python $(BIN)/python .venv-open-webui
	@$(UV) $(LOCKED) --python .venv-open-webui/bin/python -r requirements/open-webui.txt
	@touch $@

# Exactly this release: several others were tampered with.
.venv-litellm/installed: .venv/bin/uv requirements/litellm.txt
	@echo "Installing LiteLLM, which the benchmarks measure beside ours, into .venv-litellm"
	@$(UV) venv --quiet --clear --python $(BIN)/python .venv-litellm
	@$(UV) $(LOCKED) --python .venv-litellm/bin/python -r requirements/litellm.txt
	@touch $@
