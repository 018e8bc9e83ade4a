# make benchmark: set up what is needed, measure what config/config.yaml asks for, print the table
# make test:      set up what is needed, run the tests
# make documents: fill README.md and the pages of docs/ from the datasets that they name
# VENV=DIR uses another environment, PYTHON=python3.12 another interpreter to make it with.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
# so many processes, a file of tests each, in the order in which they were collected: some install or wait while others compute
BESIDE = --dist loadfile --no-loadscope-reorder --numprocesses
MUTATION = .mutation/venv
MUTMUT = mutmut==3.8.1
# on a machine where pip itself is old, its complaints are no news
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: benchmark test test-all lint documents bench mutation environments nightly setup

benchmark: setup
	$(BIN)/snakemake --cores 1

test: setup
	$(BIN)/python -m pytest tests -m "not slow" $(BESIDE) 6

test-all: setup
	$(BIN)/python -m pytest tests -m "not alone" $(BESIDE) 4 --durations=25
	$(BIN)/python -m pytest tests -m alone --durations=10

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile workflow/Snakefile workflow/rules
	$(BIN)/snakemake --lint
	$(BIN)/snakemake documents_check --cores 1 --quiet all --configfile config/documents.yaml

# fill the marked spaces of the project's own documents
documents: setup
	$(BIN)/snakemake documents --cores 1 --configfile config/documents.yaml

# our it/s over those of the published code, and how long reporting takes
bench: setup
	$(BIN)/python tests/bench/peer.py
	$(BIN)/python tests/bench/report.py

# which single changes of the code the tests do not notice; `make mutation MODULE=intervals` tries one module
mutation: $(MUTATION)/.installed
	$(MUTATION)/bin/python tests/mutation.py $(MODULE)

# mutmut in an environment of its own that sees the packages of the other one
$(MUTATION)/.installed: Makefile $(VENV)/.installed
	$(BIN)/python -m venv $(MUTATION)
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
		> $$($(MUTATION)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/diffbench.pth
	$(MUTATION)/bin/python -m pip install --quiet --disable-pip-version-check $(MUTMUT)
	@touch $@

# write envs/*.yaml from envs/releases.yaml; `make nightly` first takes the newest nightly
environments: setup
	$(BIN)/python workflow/scripts/pin_environments.py

nightly: setup
	$(BIN)/python workflow/scripts/pin_environments.py --nightly

setup: $(VENV)/.installed

$(VENV)/.installed: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "error: $(PYTHON) is older than 3.11: name a newer one, as in make PYTHON=python3.12" >&2; exit 1; }
	@PYTHONPATH=workflow/scripts $(PYTHON) -m diffbench.measurement.toolchain
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "error: $(PYTHON) cannot make environments: apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) --requirement requirements.txt
	@touch $@
