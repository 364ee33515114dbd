# One place for every routine task. `make help` lists them.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DATA ?= data
PORT ?= 8000
SAMPLE := samples/merrowdeck/documents
SAMPLE_COLLECTION := merrowdeck
# Found as docs/evaluation.md says under `eval threshold`; see docs/decisions/0038.
SAMPLE_THRESHOLD := 0.24
PIP := $(BIN)/python -m pip --disable-pip-version-check
export HF_HUB_OFFLINE ?= 1
export TRANSFORMERS_OFFLINE ?= 1
export TOKENIZERS_PARALLELISM ?= false
export GOMP_SPINCOUNT ?= 1000
# Without this header GCC breaks llama.cpp's AMX kernels (docs/decisions/0039).
ifneq ($(shell grep -m1 -ow amx_tile /proc/cpuinfo 2>/dev/null),)
export CXXFLAGS += -include "$(CURDIR)/rag/llm/whole_tiles.h"
endif

# Quick tests prove no durability: where there is memory to spare, their thousand databases need no disk.
QUICK_TMP := $(shell [ "$$(df --output=avail -B1M /dev/shm 2>/dev/null | tail -1)" -ge 4000 ] 2>/dev/null && echo /dev/shm)

.DEFAULT_GOAL := help
.PHONY: help setup run serve test check fuzz storm soak fmt bench eval eval-nightly clean

help: ## List these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/python:
	@echo "==> Creating the virtual environment in $(VENV)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or later is wanted, $$($(PYTHON) --version) was found; call make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: constraints.txt pyproject.toml | $(BIN)/python
	@echo "==> Installing Footnote; llama.cpp is compiled for this processor once (about 5 minutes on 2 cores)"
	@$(PIP) install --quiet --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.installed-dev: constraints.txt pyproject.toml $(VENV)/.installed
	@echo "==> Installing what checks and tests need"
	@$(PIP) install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

setup: $(VENV)/.installed ## Create the virtual environment and install pinned dependencies

$(DATA)/.sample-ingested: $(VENV)/.installed
	@echo "==> Ingesting the sample collection (first start only)"
	@$(BIN)/footnote --data $(DATA) ingest $(SAMPLE) --collection $(SAMPLE_COLLECTION) --wait
	@$(BIN)/footnote --data $(DATA) collections change $(SAMPLE_COLLECTION) --evidence-threshold $(SAMPLE_THRESHOLD)
	@touch $@

run: $(DATA)/.sample-ingested ## Set up, ingest the sample collection, serve API and page on http://127.0.0.1:8000
	@exec $(BIN)/footnote --data $(DATA) serve --port $(PORT)

serve: $(VENV)/.installed ## Serve without touching the sample collection
	@exec $(BIN)/footnote --data $(DATA) serve --port $(PORT)

check: $(VENV)/.installed-dev ## Lint, format, strict types, import walls, migrations and the quick tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(if $(QUICK_TMP),TMPDIR=$(QUICK_TMP)) $(BIN)/pytest -q -n auto -m "not real"

test: check ## Everything: the checks, then the tests with real models, real servers and a real browser
	$(BIN)/pytest -m real

MINUTES ?= 10
fuzz: $(VENV)/.installed-dev ## Feed mutated files to each parser for MINUTES=10; findings are printed with their recipe
	$(BIN)/python -m tests.ingest.fuzz --each --minutes $(MINUTES)

storm: $(VENV)/.installed-dev ## Kill ingestion workers 200 times at random, then prove that nothing is lost or doubled
	$(BIN)/python -m tests.ingest.storm --kills 200

fmt: $(VENV)/.installed-dev ## Format and mend what can be mended by itself
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

soak: $(VENV)/.installed-dev ## Two thousand requests with leavers over the engine; nothing may be held afterwards
	SOAK_REQUESTS=2000 SOAK_OUTPUT=bench/results/soak.json $(BIN)/python -m pytest -q -n 0 -m real tests/rag/test_engine_soak.py

bench: $(VENV)/.installed-dev ## Measure ingestion and generation against their references; keeps bench/results/
	$(BIN)/footnote bench ingest
	$(BIN)/footnote bench generate
	$(BIN)/footnote bench serve

eval: $(DATA)/.sample-ingested ## Run the golden questions of the sample collection through the whole service
	$(BIN)/footnote --data $(DATA) eval run samples/merrowdeck/golden.jsonl --collection $(SAMPLE_COLLECTION)

eval-nightly: $(DATA)/.sample-ingested ## All suites: the golden questions, and the public sets in FOOTNOTE_EVAL_DATA if that is set
	$(MAKE) eval
	$(BIN)/footnote --data $(DATA) eval run samples/merrowdeck/golden_more.jsonl --collection $(SAMPLE_COLLECTION)
	set -e; data="$${FOOTNOTE_EVAL_DATA:-}"; [ -n "$$data" ] || { echo "FOOTNOTE_EVAL_DATA is not set: no public sets"; exit 0; }; \
	$(BIN)/footnote --data $(DATA) eval retrieval "$$data/retrieval/scifact"; \
	for set in squad2 clapnq; do $(BIN)/footnote --data $(DATA) eval qa "$$data/qa/$$set.jsonl" --mode quote; done; \
	for set in summedits halueval_qa_lengthmatched; do \
		$(BIN)/footnote --data $(DATA) eval hallucination "$$data/hallucination/$$set.jsonl"; done

clean: ## Remove the virtual environment and caches; the data folder stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
