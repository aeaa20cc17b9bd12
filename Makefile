# Everything happens in .venv, made from hashed locks; nothing has to be there first but Python 3.11 or newer.
PYTHON ?= python3

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/sh

VENV := .venv
BIN := $(VENV)/bin
LOCKS := requirements

# A stamp is named by the content of what was installed: a second run starts at once, a changed lock installs again.
digest = $(shell cat pyproject.toml $(LOCKS)/uv.txt $(LOCKS)/build.txt $(LOCKS)/$(1).txt | cksum | tr ' ' -)
UV_STAMP := $(VENV)/uv-$(shell cksum < $(LOCKS)/uv.txt | tr ' ' -)
LOCAL_STAMP := $(VENV)/local-$(call digest,local)
DEV_STAMP := $(VENV)/dev-$(call digest,dev)
# What Laurel is measured beside: an environment and a lock for each, with the same versions of what trains, versions and tracks.
PEERS := .venv-peers
PEER_NAMES := kedro dagster airflow
peer-digest = $(shell cat $(LOCKS)/build.txt $(LOCKS)/peers-$(1).txt | cksum | tr ' ' -)
PEER_STAMPS := $(foreach peer,$(PEER_NAMES),$(PEERS)/$(peer)/installed-$(call peer-digest,$(peer)))

# Progress for a person, silence for a log.
UV := $(BIN)/uv $(shell [ -t 2 ] || echo --quiet)
INSTALL := $(UV) pip install --python $(BIN)/python --compile-bytecode
# Without a terminal to draw on, a line now and then says that it lives. Fetching takes a minute or more.
ALIVE := [ -t 2 ] || { while sleep 15 </dev/null >/dev/null 2>&1; do echo '  … still installing' >&2; done & \
  trap "kill $$!" EXIT; }
# Where it is set, each of the processes that start here would compile every module again.
unexport PYTHONDONTWRITEBYTECODE
# pip knows a variable of its own; all others that download here know SSL_CERT_FILE.
ifneq ($(SSL_CERT_FILE),)
export PIP_CERT ?= $(SSL_CERT_FILE)
endif
OR_SAY := || { echo 'cannot install: is the network reachable? Behind a proxy set HTTPS_PROXY, and SSL_CERT_FILE to' \
  'the file (PEM) of the CA that signs what it shows' >&2; exit 1; }
COMPILE := $(UV) pip compile --universal --python-version 3.11 --generate-hashes --no-header
STEPS_NEED := dvc|mlflow|numpy|pandas|polars|pyarrow|pyyaml|scikit-learn|scipy|skops|xxhash
lock-peer = { sed -nE 's/^(($(STEPS_NEED))==.*) \\$$/\1/p' $(LOCKS)/dev.txt; echo '$(2)'; } | \
  $(COMPILE) $(if $(UPGRADE),--upgrade) --no-annotate --output-file $(LOCKS)/peers-$(1).txt -

.PHONY: help demo test ready soak bench bench-large bench-peers wheel compose lint contracts types lock clean

help: ## show this text
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 16

# The trap keeps the shell there until the demo has ended: Ctrl-C is an end, and no error.
demo: $(LOCAL_STAMP) ## start the real servers and a worker, and play a model's life on the Ames house sales
	@trap : INT; $(BIN)/laurel demo || [ $$? -eq 130 ]

# Four processes with servers of their own each: most tests wait for somebody else's answer. In the order of their folders
# the quick ones come last, so that no process ends long before the others.
test: $(DEV_STAMP) ## lint, then every test, on the real servers
	@$(MAKE) --no-print-directory -j2 types contracts ready
	@$(BIN)/pytest --numprocesses 4 --dist loadfile --no-loadscope-reorder

# Beside mypy, which keeps one processor busy: what tests need from the network, and their modules compiled once
# instead of by each test process.
ready: $(DEV_STAMP)
	@$(BIN)/python -m tests.kit.downloads
	@$(BIN)/pytest --collect-only --quiet >$(VENV)/collected || { cat $(VENV)/collected; exit 1; }

# One process: what is heavy here loads the machine by itself.
soak: $(DEV_STAMP) ## the heavy repetitions of what `make test` proves, on the real servers (about an hour)
	@$(BIN)/python -m tests.kit.downloads
	@$(BIN)/pytest -m soak --timeout=3600
	@$(BIN)/pytest -m hypothesis --hypothesis-profile=many --timeout=3600

bench: $(DEV_STAMP) ## measure, side by side with a bare script
	@$(BIN)/python -m bench

bench-large: $(DEV_STAMP) ## measure what is large: masters, a million runs, the memory of a fit (5 GB of disk, an hour)
	@$(BIN)/python -m bench.large
	@$(BIN)/python -m bench.large.history
	@$(BIN)/python -m bench.large.fit

bench-peers: $(DEV_STAMP) $(PEER_STAMPS) ## measure beside kedro, dagster and airflow (2 GB of environments, 20 minutes)
	@$(BIN)/python -m bench.peers

# Built from nothing: setuptools would take along what stands in build/ from before.
wheel: $(LOCAL_STAMP) ## build dist/laurel_lifecycle-….whl, to install elsewhere
	@rm -rf build
	@$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir dist .
	@ls dist/*.whl

compose: $(DEV_STAMP) ## build the image and prove the whole path in containers (needs a Docker engine)
	@$(BIN)/pytest --timeout=1800 tests/compose/whole_path.py

lint: contracts types ## ruff, mypy and the import contracts

contracts: $(DEV_STAMP)
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/lint-imports

types: $(DEV_STAMP)
	@$(BIN)/mypy

lock: $(UV_STAMP) ## resolve the dependencies again (UPGRADE=1: to the newest versions)
	@echo uv | $(COMPILE) $(if $(UPGRADE),--upgrade) --no-annotate --output-file $(LOCKS)/uv.txt -
	@$(COMPILE) $(if $(UPGRADE),--upgrade) --extra local --extra dev --output-file $(LOCKS)/dev.txt pyproject.toml
	@$(COMPILE) --extra local --constraints $(LOCKS)/dev.txt --output-file $(LOCKS)/local.txt pyproject.toml
	@$(COMPILE) --constraints $(LOCKS)/dev.txt --output-file $(LOCKS)/runtime.txt pyproject.toml
	@$(COMPILE) --constraints $(LOCKS)/dev.txt --group inference --output-file $(LOCKS)/inference.txt
	@echo setuptools | $(COMPILE) --constraints $(LOCKS)/dev.txt --no-annotate --output-file $(LOCKS)/build.txt -
	@printf '%s\n' 'scikit-learn==1.7.*' 'pandas==2.3.*' mlflow-skinny skops | \
	  $(COMPILE) $(if $(UPGRADE),--upgrade) --no-annotate --output-file $(LOCKS)/older-serving.txt -
	@$(call lock-peer,kedro,kedro)
	@$(call lock-peer,dagster,dagster)
	@$(call lock-peer,airflow,apache-airflow[postgres])
	@! grep -nE '://|^ *--(index|extra-index|find-links|trusted)' $(LOCKS)/*.txt || \
	  { echo 'a lock holds an address' >&2; exit 1; }

clean: ## remove the environment, caches and the local world with its data
	rm -rf $(VENV) $(PEERS) .laurel build dist *.egg-info .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(UV_STAMP): $(LOCKS)/uv.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo 'Laurel needs Python 3.11 or newer, and $(PYTHON) is older or absent;' \
	       'name another one: make PYTHON=python3.12 ...' >&2; exit 1; }
	@echo 'making the environment in $(VENV)'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
	  -r $(LOCKS)/uv.txt $(OR_SAY)
	@rm -f $(VENV)/uv-*
	@touch $@

# What is built from source is built by the hashed setuptools that stands in the environment, not by a fetched one.
$(LOCAL_STAMP) $(DEV_STAMP): $(UV_STAMP)
	@echo 'installing what $(LOCKS)/$(LOCK) names: some 200 packages, 1.5 GB on disk, minutes at the first time'
	@$(INSTALL) --require-hashes -r $(LOCKS)/build.txt $(OR_SAY)
	@$(ALIVE); $(INSTALL) --require-hashes --no-build-isolation -r $(LOCKS)/$(LOCK) $(OR_SAY)
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@rm -f $(VENV)/local-* $(VENV)/dev-*
	@touch $(STAMPS)

$(PEER_STAMPS): $(UV_STAMP)
	@echo 'installing what $(LOCKS)/peers-$(notdir $(@D)).txt names: some 200 packages, 1 GB on disk'
	@$(UV) venv --quiet --clear --python $(BIN)/python $(@D)
	@$(UV) pip install --quiet --python $(@D)/bin/python --require-hashes -r $(LOCKS)/build.txt $(OR_SAY)
	@$(ALIVE); $(UV) pip install --python $(@D)/bin/python --compile-bytecode --require-hashes --no-build-isolation \
	  -r $(LOCKS)/peers-$(notdir $(@D)).txt $(OR_SAY)
	@touch $@

$(LOCAL_STAMP): LOCK := local.txt
$(LOCAL_STAMP): STAMPS := $(LOCAL_STAMP)
$(DEV_STAMP): LOCK := dev.txt
$(DEV_STAMP): STAMPS := $(DEV_STAMP) $(LOCAL_STAMP) # it holds the other
