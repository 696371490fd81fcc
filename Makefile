# `make demo` and `make test` need Python 3.11 to 3.13 and nothing else: each sets up .venv first.
# Another interpreter: make PYTHON=/path/to/python3.12 demo

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# The lock's TensorFlow has no wheel for Python 3.14.
SUITABLE := import sys, ensurepip, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c '$(SUITABLE)' >/dev/null 2>&1 && echo $$python && break; done)
TARGET ?= pytorch
JOBS ?= 2
ARGS ?=
export TF_CPP_MIN_LOG_LEVEL ?= 2

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEMO := runs/lenet5_modern-$(TARGET)

.PHONY: help setup demo test fuzz test-editor bench generate lint clean

help:
	@echo 'make demo      check, build and train LeNet-5 on real digits (TARGET=keras for Keras)'
	@echo 'make test      the whole test suite on two cores (ARGS="-k conv" for a part)'
	@echo 'make fuzz      hold drawn specs equal in both frameworks (N=100000 SEED=1 OUTPUTS=0.1)'
	@echo 'make test-editor  what an editor completes, shows and underlines (needs npm)'
	@echo 'make bench     measure `cnnspec check` into docs/benchmarks.md'
	@echo 'make lint      ruff and mypy'
	@echo 'make generate  rewrite the generated files of the repository'
	@echo 'make clean     remove what was made, .venv included; runs/ stays'

setup: $(READY)

$(READY): requirements.lock pyproject.toml
	@'$(PYTHON)' -c '$(SUITABLE)' 2>/dev/null || { \
	echo 'cnnspec needs Python 3.11, 3.12 or 3.13 with its venv module; found: $(or \
	$(PYTHON),none). Name one: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)' >&2; exit 1; }
	@echo 'Setting up $(VENV) once: PyTorch, TensorFlow and tools, about 4 GB to download.'
	'$(PYTHON)' -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --no-deps \
	--only-binary :all: --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --disable-pip-version-check --no-deps --no-build-isolation \
	--no-index -e .
	@touch $(READY)

demo: $(READY)
	$(BIN)/cnnspec check specs/lenet5_modern.yaml
	$(BIN)/cnnspec train specs/lenet5_modern.yaml --target $(TARGET) -o $(DEMO)
	@echo 'program  $(DEMO)'
	@echo 'curves   $(DEMO)/run/curves.png'
	@echo 'weights  $(DEMO)/run/best.safetensors'

# Each worker computes on one core; TensorFlow leaves room on a GPU for the others.
# Hypothesis' profile `ci` draws the same examples each time and times none; `pytest` draws new ones.
test fuzz: export OMP_NUM_THREADS = 1
test fuzz: export TF_NUM_INTRAOP_THREADS = 1
test fuzz: export TF_NUM_INTEROP_THREADS = 1
test: export TF_FORCE_GPU_ALLOW_GROWTH = true
test: $(READY)
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --hypothesis-profile=ci \
	--durations 15 $(ARGS)

# Goes on where it stood; N=0 reports. docs/fuzzing.md says more.
N ?= 1000
SEED ?= 1
OUTPUTS ?= 0.1
STATE ?= runs/fuzz/seed$(SEED).json

fuzz: $(READY)
	$(BIN)/python -m tests.fuzz $(N) --seed $(SEED) --outputs $(OUTPUTS) --state $(STATE)

SESSION := tests/editor

test-editor: $(READY) $(SESSION)/node_modules/.ready
	$(BIN)/python -m tests.editor.session --check

$(SESSION)/node_modules/.ready: $(SESSION)/package-lock.json
	npm ci --prefix $(SESSION) --no-audit --no-fund
	@touch $@

bench: $(READY)
	$(BIN)/python -m benchmarks

generate: $(READY)
	$(BIN)/cnnspec schema >$(VENV)/schema.json
	mv $(VENV)/schema.json schemas/cnnspec-1.schema.json
	$(BIN)/python -m cnnspec.pages >$(VENV)/operations.md
	mv $(VENV)/operations.md docs/operations.md
	$(BIN)/python -m cnnspec.shipped >$(VENV)/networks.md
	mv $(VENV)/networks.md docs/networks.md

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy --strict cnnspec

clean:
	rm -rf $(VENV) $(SESSION)/node_modules build dist
	rm -rf .pytest_cache .hypothesis .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
