# netlift: every target sets up what it needs on a machine with Python 3.11 and nothing else.
PYTHON ?= python3
BIN := .venv/bin
CONFIG ?= configs/demo.yaml
CUSTOMERS ?= 20000
NETLIFT := $(BIN)/netlift
export MLFLOW_DISABLE_TELEMETRY := true
export DO_NOT_TRACK := true

.DEFAULT_GOAL := help
.PHONY: help setup lock data train score decide forecast demo test test-fast test-engines test-browser check lint types imports house format docs bench bench-uplift bench-decisions bench-nights bench-new-offers bench-value calibrate faults readout serve studies fuzz audit clean

help:  ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# $(call install,ENVIRONMENT,LOCK): what the lock pins, by its hashes, and netlift; by the lock's uv, or by pip where uv
# cannot be had. A lock holds all there is to install, so that nothing is resolved.
define install
	@awk '/^[a-z]/ {uv = /^uv==/} uv' $(2) > $(1)/uv.lock
	@$(1)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $(1)/uv.lock \
		&& $(1)/bin/uv pip install --quiet --python $(1)/bin/python --no-deps --require-hashes -r $(2) \
		|| { echo "uv did not; pip does, in some minutes"; \
		     $(1)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $(2); }
	@$(1)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
endef

.venv/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' || { echo "netlift needs Python 3.11 or 3.12, found $$($(PYTHON) --version); set PYTHON=python3.11"; exit 2; }
	@echo "Setting up .venv from requirements.lock (once, a minute or so) ..."
	@$(PYTHON) -m venv .venv
	$(call install,.venv,requirements.lock)
	@touch $@

setup: .venv/.ready  ## The virtual environment, from requirements.lock

lock: .venv/.ready  ## Resolve pyproject.toml into all locks anew
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --python-version 3.11 --group dev pyproject.toml -o requirements.lock
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --python-version 3.11 --group dev --group bench --constraint requirements.lock pyproject.toml -o requirements-bench.lock
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --python-version 3.11 --group dev --group browser --constraint requirements.lock pyproject.toml -o requirements-browser.lock
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --python-version 3.11 --group docs -o requirements-docs.lock
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --python-version 3.11 --group dev --extra postgres --extra clickhouse --extra spark --constraint requirements.lock pyproject.toml -o requirements-engines.lock
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --python-version 3.11 --group servers -o requirements-servers.lock

data: .venv/.ready  ## The demo retailer's tables, where they are missing; CUSTOMERS=100000 for more
	@test -e var/demo/simulation.json || $(NETLIFT) simulate --config configs/demo.yaml --customers $(CUSTOMERS)

train: .venv/.ready  ## Train churn, ltv and uplift; CONFIG=configs/cdnow.yaml for other data
	@if [ "$(CONFIG)" = configs/demo.yaml ]; then $(MAKE) --no-print-directory data; fi
	@test -e mlflow.db || ln -s var/mlflow.db mlflow.db
	@$(NETLIFT) train --config $(CONFIG)

score: .venv/.ready  ## Score all customers with the champions, as of AS_OF=YYYY-MM-DD
	@$(NETLIFT) score --config $(CONFIG) $(if $(AS_OF),--as-of $(AS_OF))

decide: .venv/.ready  ## One offer, or none, for every customer, as of AS_OF=YYYY-MM-DD
	@$(NETLIFT) decide --as-of $(AS_OF) --config $(CONFIG)

forecast: .venv/.ready  ## Margin of the next quarter and year, as of AS_OF=YYYY-MM-DD
	@$(NETLIFT) forecast --as-of $(AS_OF) --config $(CONFIG) $(if $(LANG_OF),--lang $(LANG_OF))

demo: .venv/.ready  ## A simulated year under netlift beside the same year under other rules; PRESET=sports-nutrition
	@$(NETLIFT) demo --config configs/demo.yaml $(if $(PRESET),--preset $(PRESET))

# Two workers on two cores, each with one thread; files in their order, so that the README's commands start early.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder
test: .venv/.ready  ## All tests
	@$(PYTEST) --doctest-modules src tests

test-fast: .venv/.ready  ## Tests of the parts alone: while you work
	@$(PYTEST) -m 'not slow' tests

.venv-engines/.ready: requirements-engines.lock pyproject.toml
	@echo "Setting up .venv-engines with the drivers of databases (once, a minute or two) ..."
	@$(PYTHON) -m venv .venv-engines
	$(call install,.venv-engines,requirements-engines.lock)
	@touch $@

.venv-servers/.ready: requirements-servers.lock .venv-engines/.ready
	@echo "Setting up .venv-servers: MLflow as a server, and a stand-in for S3 (once, a minute or two) ..."
	@$(PYTHON) -m venv .venv-servers
	@.venv-engines/bin/uv pip install --quiet --python .venv-servers/bin/python --no-deps --require-hashes -r requirements-servers.lock \
		|| .venv-servers/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-servers.lock
	@touch $@

test-engines: .venv-engines/.ready .venv-servers/.ready  ## Tables in PostgreSQL and on Spark give what files give; starts both in temporary folders
	@OMP_NUM_THREADS=1 .venv-engines/bin/python -m pytest -rs tests/data/engines

.venv-browser/.ready: requirements-browser.lock pyproject.toml
	@echo "Setting up .venv-browser with Playwright, axe and readers of files (once, a minute or two) ..."
	@$(PYTHON) -m venv .venv-browser
	$(call install,.venv-browser,requirements-browser.lock)
	@touch $@

test-browser: .venv-browser/.ready  ## The desk as people use it, in Chromium (apt-get install chromium): pages, keyboard, axe, files, API
	@OMP_NUM_THREADS=1 .venv-browser/bin/python -m pytest -rs tests/browser

check: lint types imports house  ## Lint, types, the direction of imports, and the layout of the code

lint: .venv/.ready
	@$(BIN)/ruff check src tests benchmarks tools notebooks
	@$(BIN)/ruff format --check src tests benchmarks tools notebooks

types: .venv/.ready
	@$(BIN)/mypy

imports: .venv/.ready
	@$(BIN)/lint-imports --no-cache

house: .venv/.ready  ## Files, lines, largest folder and file, circles, names that stand twice; over a bound: exit 1
	@$(BIN)/python tools/house.py

format: .venv/.ready  ## Lay out the code
	@$(BIN)/ruff check --fix src tests benchmarks tools notebooks
	@$(BIN)/ruff format src tests benchmarks tools notebooks

.venv-bench/.ready: requirements-bench.lock pyproject.toml
	@echo "Setting up .venv-bench with the peers (once, a minute or two) ..."
	@$(PYTHON) -m venv .venv-bench
	$(call install,.venv-bench,requirements-bench.lock)
	@touch $@

# What of a folder of texts is listed: each file's title, linked.
list_of = awk 'FNR == 1 { sub(/^\# /, ""); print "- [" $$0 "](" substr(FILENAME, length("$(1)/") + 1) ")" }'

.venv-docs/.ready: requirements-docs.lock
	@$(PYTHON) -m venv .venv-docs
	@.venv-docs/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-docs.lock
	@touch $@

docs: .venv-docs/.ready  ## The site of the documentation, var/site/index.html; a broken link fails
	@rm -rf var/docs && mkdir -p var/docs
	@cp -r --parents docs experiments configs README.md SECURITY.md CONTRIBUTING.md CHANGELOG.md var/docs
	@{ printf '# Decisions\n\n'; $(call list_of,docs/adr) docs/adr/*.md; } > var/docs/docs/adr/README.md
	@{ printf '# Experiments\n\n'; $(call list_of,experiments) experiments/*/readout.md; } > var/docs/experiments/README.md
	@.venv-docs/bin/zensical build --strict --clean
	@! grep -rlE '<(script|link|img)[^>]*(src|href)="https?://' var/site --include='*.html' || { echo "make docs: these pages fetch something"; exit 1; }
	@echo "var/site/index.html; with search: python3 -m http.server --directory var/site"

bench: .venv-bench/.ready  ## Ratios against peers, side by side in one run; QUICK=1 for a small one
	@.venv-bench/bin/python benchmarks/features.py $(if $(QUICK),--quick --json var/bench/features-quick.json)
	@.venv-bench/bin/python benchmarks/readout.py $(if $(QUICK),--quick)
	@.venv-bench/bin/python benchmarks/scoring.py $(if $(QUICK),--quick)
	@.venv-bench/bin/python benchmarks/allocation.py $(if $(QUICK),--quick)

calibrate: .venv/.ready  ## Do the readouts' intervals and verdicts hold, on drawn customers? Minutes; QUICK=1, ONLY='shape arms'
	@$(BIN)/python benchmarks/calibrate.py $(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY))

faults: .venv/.ready  ## Kill every verb before every file event, and put every fault upon it; EVERY=10 for a tenth, an hour without
	@$(BIN)/python -W ignore tests/faults/run.py $(if $(EVERY),--every $(EVERY)) --json var/faults.json --readout experiments/2026-11-faults/readout.md

serve: data  ## The marketers' desk in a browser, on the demo or CONFIG=...; Ctrl-C ends it
	@$(NETLIFT) serve --config $(CONFIG) $(if $(PORT),--port $(PORT))

readout: .venv/.ready  ## What a campaign earned, CAMPAIGN=C08 or a plan; LANG_OF=en
	@$(NETLIFT) readout $(CAMPAIGN) --config $(CONFIG) $(if $(LANG_OF),--lang $(LANG_OF))

bench-uplift: .venv-bench/.ready  ## Uplift against the libraries in worlds with known effects; QUICK=1, SEEDS='1 2', ROWS='100000 1000000'
	@.venv-bench/bin/python benchmarks/uplift.py $(if $(QUICK),--quick) $(if $(SEEDS),--seeds $(SEEDS)) $(if $(ROWS),--rows $(ROWS))

bench-decisions: .venv/.ready  ## What the uplift that ships earns, in markets with known truth; MARKETS='A retailer', CUSTOMERS=20000, SEEDS='1 2'
	@$(BIN)/python benchmarks/decisions.py $(if $(MARKETS),--markets $(MARKETS)) $(if $(filter-out file,$(origin CUSTOMERS)),--customers $(CUSTOMERS)) $(if $(SEEDS),--seeds $(SEEDS))

bench-nights: .venv/.ready  ## Nights in a row against one run a month, in a shop of known truth; CUSTOMERS=5000, NIGHTS=10, BUDGET=3, SEEDS='1 2'
	@$(BIN)/python benchmarks/nights.py $(if $(filter-out file,$(origin CUSTOMERS)),--customers $(CUSTOMERS)) $(if $(NIGHTS),--nights $(NIGHTS)) $(if $(BUDGET),--budget $(BUDGET)) $(if $(SEEDS),--seeds $(SEEDS))

bench-new-offers: .venv/.ready  ## New offers by posterior sampling against an even share of the same budget; SEEDS='11 12'
	@$(BIN)/python benchmarks/new_offers.py $(if $(SEEDS),--seeds $(SEEDS))

bench-value: .venv-bench/.ready  ## LTV and churn against published figures, peers and targets; QUICK=1, SEEDS='1 2'
	@.venv-bench/bin/python benchmarks/value.py $(if $(QUICK),--quick) $(if $(SEEDS),--seeds $(SEEDS))

studies: .venv/.ready  ## Train on the four public data sets (DATA=folder) and write experiments/*/readout.md
	@$(BIN)/python benchmarks/real_data.py $(if $(DATA),--data $(DATA))

fuzz: .venv/.ready  ## 2,000 mutated configs and 500 mutated tables: none may be an internal error. Half an hour
	@NETLIFT_FUZZ_CONFIGS=2000 NETLIFT_FUZZ_TABLES=500 $(BIN)/python -m pytest tests/fuzz

.venv-audit/.ready:
	@$(PYTHON) -m venv .venv-audit
	@.venv-audit/bin/python -m pip install --quiet --disable-pip-version-check 'pip-audit>=2.10'
	@touch $@

audit: .venv-audit/.ready  ## Known vulnerabilities of what requirements.lock pins; needs the network
	@.venv-audit/bin/pip-audit --strict --require-hashes --disable-pip --requirement requirements.lock || { echo "make audit: not passed. Either a known vulnerability is listed above, or the advisories could not be reached, so that nothing is known" >&2; exit 1; }

clean:  ## Remove everything that was made here, the demo data and models too
	rm -rf .venv .venv-bench .venv-docs .venv-engines .venv-servers .venv-browser .venv-audit var mlflow.db .hypothesis .ruff_cache .mypy_cache
