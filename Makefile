# Every target sets itself up: a virtual environment in .venv, the package and its tools.
PYTHON ?= python3
BIN := .venv/bin
BUILD_DOCS := NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict  # to site/

.PHONY: demo test check attack cases docs bench results format clean

$(BIN)/dmad: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --editable ".[dev]"
	@touch $@

demo: $(BIN)/dmad
	$(BIN)/dmad demo --out demo

test: $(BIN)/dmad
	$(BIN)/pytest

check: $(BIN)/dmad
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest tests/test_house.py
	$(BUILD_DOCS)

# Random attacks: damaged files, kills, full disks, failing receivers. Not a part of the tests.
MINUTES ?= 10
SEED ?= 0
attack: $(BIN)/dmad
	$(BIN)/python tests/attack/attack.py --minutes $(MINUTES) --seed $(SEED)

# Small real situations, each made by a script that says if dmad is right. Not a part of the tests.
CASES ?= ../shared/cases
cases: $(BIN)/dmad
	tests/cases.sh $(CASES)

docs: $(BIN)/dmad
	$(BUILD_DOCS)

bench: $(BIN)/dmad
	$(BIN)/dmad bench train
	$(BIN)/dmad bench predict
	$(BIN)/dmad bench images
	$(BIN)/dmad bench deploy

results: $(BIN)/dmad
	$(BIN)/python docs/fill_results.py docs/results

format: $(BIN)/dmad
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv build dist demo site
