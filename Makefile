# make demo   the main job on the documentation inside Python, on an empty machine
# make test   everything that runs without data from outside
# make extras every extra in a fresh environment of its own, as the README installs it
# make check  style and types

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test extras check clean

$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[all]"
	@touch $@
	@echo installed

$(VENV)/installed-for-tests: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[dev]"
	@touch $@

demo: $(VENV)/installed
	$(BIN)/foretell compare --budget 4m

test: $(VENV)/installed-for-tests
	$(BIN)/python -m pytest -m "not slow"

extras: $(VENV)/installed-for-tests
	$(BIN)/python -m benchmarks.doors.bar7

check: $(VENV)/installed-for-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) runs models
