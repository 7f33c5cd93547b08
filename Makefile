# Everything a developer types. Each target sets up what it needs and is quiet when there is nothing to do.
#   make test ARGS="tests/causal -k cycle"      ARGS goes to pytest, to `aitia demo`, to `aitia bench`

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory --no-builtin-rules
.NOTPARALLEL:
.DEFAULT_GOAL := help
ARGS ?=
ROOTS ?= fleet
RESULTS := benchmarks/RESULTS.md
PICTURES := benchmarks/pictures
PYTHON := .venv/bin/python

.PHONY: help setup ready packages check fix test test-kubernetes test-mlflow demo demo-alertmanager bench results fleet chaos lock clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' Makefile

setup:  ## make .venv from the lock file; fetch or build the Temporal server
	@tools/setup --report

check: packages  ## the whole gate: lint, format, types, direction of imports
	@tools/check

fix: packages  ## repair what can be repaired by itself, and format
	@$(PYTHON) -m ruff check --fix --quiet . || true
	@$(PYTHON) -m ruff format --quiet .

test: ready check  ## the gate, then the tests, on all processors
	@$(PYTHON) -m pytest --numprocesses auto --dist loadfile $(ARGS)

# Programs that take minutes to build or install, once, into the cache folder; `make test` says that it left them out.
test-kubernetes: packages  ## the Kubernetes actions against a real control plane (the first time builds it: ten minutes)
	@tools/kubernetes >/dev/null
	@$(PYTHON) -m pytest tests/kubernetes -m kubernetes $(ARGS)

test-mlflow: packages  ## the model registry's actions against a real MLflow server
	@tools/mlflow >/dev/null
	@$(PYTHON) -m pytest tests/integrations/test_mlflow.py -m mlflow $(ARGS)

demo: ready  ## break a real shop and watch it being healed (ARGS=--yes asks nothing)
	@.venv/bin/aitia demo $(ARGS)

demo-alertmanager: ready  ## the same, and a real Prometheus and Alertmanager raise the alert (ARGS=--yes)
	@tools/prometheus >/dev/null
	@.venv/bin/aitia demo --alertmanager $(ARGS)

bench: ready  ## measure the engine against recorded incidents (ARGS="--root DIR --compare baro,nsigma")
	@.venv/bin/aitia bench $(ARGS)

COMPARE = all
# Published methods are installed on the way, into an environment of their own in the cache folder: minutes, once.
results: ready  ## measure everything and write benchmarks/RESULTS.md (ROOTS="DIR fleet" COMPARE=baro,nsigma; half an hour for all)
	@.venv/bin/aitia bench $(ROOTS:%=--root %) --compare $(COMPARE) --by fault,system \
	  --group "nezha-tt:edited logs=return,exception" --group "nezha-tt:real=network_delay,cpu_contention" \
	  --picture $(PICTURES)/calibration.svg --results $(RESULTS) $(ARGS) || [ $$? = 1 ]
	@$(PYTHON) -m benchmarks.scale --plot $(PICTURES)/scale.svg | $(PYTHON) -m benchmarks.results scale $(RESULTS) \
	  --picture $(PICTURES)/scale.svg --command "python -m benchmarks.scale --plot $(PICTURES)/scale.svg"

fleet: ready  ## record incidents of our own into fleet/ (about an hour; ARGS="--limit 5")
	@.venv/bin/python -m benchmarks.fleet --out fleet $(ARGS)

chaos: ready  ## kill and cut off a house at work on 200 incidents, count what took effect (ARGS="--incidents 20 --seed 3")
	@$(PYTHON) -m benchmarks.chaos $(ARGS)

lock:  ## pin the packages anew, with hashes (ARGS=--upgrade moves all of them)
	@tools/lock $(ARGS)

clean:  ## remove .venv and every cache inside this folder
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

ready:
	@tools/setup

packages:
	@tools/setup --packages
