# Everything runs in .venv, which is made if it is not there.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed
AUDIO ?=
DEMO_DIR ?= exp/demo
# What to benchmark, as pytest's -k chooses; nothing for all, the table of targets included.
K ?=
BENCH_DIR ?= exp/bench
DEVICE ?= cpu
# A trained model's folder, for what bf16 costs it in SDRi; without one that is left out.
MODEL ?=

.PHONY: demo test bench format lint clean

demo: $(READY)
	recipes/synthetic/demo.sh --exp-dir "$(DEMO_DIR)" $(if $(AUDIO),--audio "$(AUDIO)")

# Two processes of one thread each; a file's tests stay together, for they share what is dear to make.
test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

bench: $(READY)
	mkdir -p "$(BENCH_DIR)"
	$(if $(K),,$(BIN)/python benchmarks/separation_speed.py --output "$(BENCH_DIR)" --device $(DEVICE) \
	  $(if $(MODEL),--model "$(MODEL)"))
	$(BIN)/python -m pytest benchmarks --benchmark-only --benchmark-quiet --device $(DEVICE) \
	  --benchmark-json="$(BENCH_DIR)/costs.json" $(if $(K),-k "$(K)")

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
