# Everything runs in .venv, which is made if it is not there.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed
AUDIO ?=
DEMO_DIR ?= exp/demo

.PHONY: demo test bench format lint clean

demo: $(READY)
	recipes/synthetic/demo.sh --exp-dir "$(DEMO_DIR)" $(if $(AUDIO),--audio "$(AUDIO)")

# Two processes of one thread each; a file's tests stay together, for they share what is dear to make.
test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

bench: $(READY)
	$(BIN)/python -m pytest benchmarks --benchmark-only --benchmark-columns=median,iqr,rounds

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) exp build dist *.egg-info

# torch first and by its exact version: a plain one would bring CUDA.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt torch==2.13.0
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@
