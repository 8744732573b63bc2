# The commands of this project. `make run` and `make test` are all a newcomer needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STRICT ?=
PYTEST_ARGS ?=

# The tests start the gateway hundreds of times; without stored bytecode each start compiles it first.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: install install-dev go home-assistant run test conformance bench lint fuzz soak soak-eebus soak-conformance clean

$(VENV)/.runtime: requirements/runtime.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "eebus-hems needs Python 3.11 or newer; call make PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/runtime.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.runtime
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	touch $@

install: $(VENV)/.runtime

install-dev: $(VENV)/.dev

go: install-dev
	$(BIN)/python -m tests.interop.go_toolchain

# Two releases of Home Assistant, each in an environment of its own, for the tests with a real one.
home-assistant: install-dev
	$(BIN)/python -m tests.integration.home_assistant.environment

run: install
	$(BIN)/hems demo

# Most tests wait for real protocols, so their files run side by side; those that measure times run alone.
# Exit code 5 of the second run: none of the tests that PYTEST_ARGS chose measures times.
test: install-dev
	STRICT=$(STRICT) $(BIN)/python -m pytest -m "not alone" --numprocesses 4 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)
	STRICT=$(STRICT) $(BIN)/python -m pytest -m alone $(PYTEST_ARGS) || test $$? -eq 5

conformance: install
	$(BIN)/python -m eebus.conformance --report docs/conformance.md --json build/conformance.json --junit build/conformance.xml

lint: install-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: install-dev
	$(BIN)/python -m tests.bench

# Looks for hostile inputs; FUZZ=600 looks for ten minutes.
FUZZ ?= 120
$(VENV)/.fuzz: requirements/fuzz.txt $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/fuzz.txt
	touch $@

fuzz: $(VENV)/.fuzz
	$(BIN)/python -m tests.fuzz --seconds $(FUZZ)

# The long runs of the EEBUS stack; docs/robustness.md tells what they show.
soak-eebus: install-dev
	SOAK=1 STRICT=$(STRICT) $(BIN)/python -m pytest -s --basetemp=.soak tests/soak_eebus \
	  tests/interop/test_discovery.py tests/interop/test_energy_guard.py $(PYTEST_ARGS)

# All official cases over real sockets, in real time, against `hems run` and `hems steuerbox`: half an hour with
# eight lanes, and beside it the cases of two hours, which LONG=0 leaves out. CASES='TC_SHIP_*,ATC_LPC_*'.
# MERGE=FILE takes in the JSON of an earlier run.
CASES ?=
LANES ?= 8
LONG ?= 1
MERGE ?=
soak-conformance: install-dev
	$(BIN)/python -m tests.soak_conformance --cases '$(CASES)' --lanes $(LANES) $(if $(filter 0,$(LONG)),--no-long) $(addprefix --merge ,$(MERGE))

HOUSES ?= 10000
soak: install-dev
	$(BIN)/python -m tests.soak $(HOUSES)

clean:
	rm -rf $(VENV) .fuzz .soak .go .tools build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
