# Everything happens in .venv, made from hashed locks; nothing has to be there first but Python 3.11 or newer.
PYTHON ?= python3

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/sh

VENV := .venv
BIN := $(VENV)/bin
LOCKS := requirements

# A stamp is named by the content of what was installed: a second run starts at once, a changed lock installs anew.
digest = $(shell cat pyproject.toml $(LOCKS)/uv.txt $(LOCKS)/build.txt $(LOCKS)/$(1).txt | cksum | tr ' ' -)
UV_STAMP := $(VENV)/uv-$(shell cksum < $(LOCKS)/uv.txt | tr ' ' -)
LOCAL_STAMP := $(VENV)/local-$(call digest,local)
OLDER_STAMP := $(VENV)/older-$(shell cksum < $(LOCKS)/older-serving.txt | tr ' ' -)
DEV_STAMP := $(VENV)/dev-$(call digest,dev)

# Progress for a person, silence for a log.
UV := $(BIN)/uv $(shell [ -t 2 ] || echo --quiet)
INSTALL := $(UV) pip install --python $(BIN)/python --compile-bytecode
COMPILE := $(UV) pip compile --universal --python-version 3.11 --generate-hashes --no-header

.PHONY: help demo test soak bench compose lint lock clean

help: ## show this text
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 8

demo: $(LOCAL_STAMP) ## start the real servers and a worker, and play a model's life on the Ames house sales
	@$(BIN)/laurel demo

# Two processes with servers of their own each: most tests wait for somebody else's answer. In the order of their folders
# the quick ones come last, so that neither process ends long before the other.
test: lint $(OLDER_STAMP) ## lint, then every test, on the real servers
	@$(BIN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

# One process: what is heavy here loads the machine by itself.
soak: $(OLDER_STAMP) ## the heavy repetitions of what `make test` proves, on the real servers (40 minutes)
	@$(BIN)/pytest -m soak --timeout=3600

bench: $(DEV_STAMP) ## measure, side by side with a bare script
	@$(BIN)/python -m tests.bench

compose: $(DEV_STAMP) ## build the image and prove the whole path in containers (needs a Docker engine)
	@$(BIN)/pytest --timeout=1800 tests/compose/whole_path.py

lint: $(DEV_STAMP) ## ruff, mypy and the import contracts
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

lock: $(UV_STAMP) ## resolve the dependencies anew (UPGRADE=1: to the newest versions)
	@echo uv | $(COMPILE) $(if $(UPGRADE),--upgrade) --no-annotate --output-file $(LOCKS)/uv.txt -
	@$(COMPILE) $(if $(UPGRADE),--upgrade) --extra local --extra dev --output-file $(LOCKS)/dev.txt pyproject.toml
	@$(COMPILE) --extra local --constraints $(LOCKS)/dev.txt --output-file $(LOCKS)/local.txt pyproject.toml
	@$(COMPILE) --constraints $(LOCKS)/dev.txt --output-file $(LOCKS)/runtime.txt pyproject.toml
	@$(COMPILE) --constraints $(LOCKS)/dev.txt --group inference --output-file $(LOCKS)/inference.txt
	@echo setuptools | $(COMPILE) --constraints $(LOCKS)/dev.txt --no-annotate --output-file $(LOCKS)/build.txt -
	@printf '%s\n' 'scikit-learn==1.7.*' 'pandas==2.3.*' mlflow-skinny skops | \
	  $(COMPILE) $(if $(UPGRADE),--upgrade) --no-annotate --output-file $(LOCKS)/older-serving.txt -
	@! grep -nE '://|^ *--(index|extra-index|find-links|trusted)' $(LOCKS)/*.txt || \
	  { echo 'a lock holds an address' >&2; exit 1; }

clean: ## remove the environment, caches and the local world with its data
	rm -rf $(VENV) .laurel build dist *.egg-info .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(UV_STAMP): $(LOCKS)/uv.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo 'Laurel needs Python 3.11 or newer, and $(PYTHON) is older or absent;' \
	       'name another one: make PYTHON=python3.12 ...' >&2; exit 1; }
	@echo 'making the environment in $(VENV)'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $(LOCKS)/uv.txt
	@rm -f $(VENV)/uv-*
	@touch $@

# What is built from source is built by the hashed setuptools that stands in the environment, not by a fetched one.
$(LOCAL_STAMP) $(DEV_STAMP): $(UV_STAMP)
	@echo 'installing what $(LOCKS)/$(LOCK) names'
	@$(INSTALL) --require-hashes -r $(LOCKS)/build.txt
	@$(INSTALL) --require-hashes --no-build-isolation -r $(LOCKS)/$(LOCK)
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@rm -f $(VENV)/local-* $(VENV)/dev-*
	@touch $(STAMPS)

# An environment as a platform's own inference image has it, for the tests that load models there.
$(OLDER_STAMP): $(DEV_STAMP)
	@$(BIN)/python -m tests.older_serving
	@touch $@

$(LOCAL_STAMP): LOCK := local.txt
$(LOCAL_STAMP): STAMPS := $(LOCAL_STAMP)
$(DEV_STAMP): LOCK := dev.txt
$(DEV_STAMP): STAMPS := $(DEV_STAMP) $(LOCAL_STAMP) # it holds the other
