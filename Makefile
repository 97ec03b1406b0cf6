# `make demo` and `make test` need Python 3.11 and make, nothing else.
PYTHON ?= python3.11
BIN := .venv/bin
export DO_NOT_TRACK := 1
export MLFLOW_DISABLE_TELEMETRY := true

.PHONY: demo data repro long test test-slow lint bench schema docs lock mlflow-ui

.venv/.installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	# Byte code makes every start 2-3x faster; some packages carry files for other Pythons, which do not compile.
	$(BIN)/python -m compileall -q -j 0 $$($(BIN)/python -c "import sysconfig; print(sysconfig.get_path('purelib'))") src > .venv/compile.log 2>&1 || true
	touch $@

demo: .venv/.installed  ## the main job on the embedded defaults, then a summary
	$(BIN)/kedro run
	$(BIN)/kedro product list

# Stages that never ran have nothing to be brought (--allow-missing); what was recorded and did not come is an error.
data: .venv/.installed  ## what DVC has recorded, from its remote
	@if [ ! -f dvc.lock ] && [ -z "$$(find data -name '*.dvc')" ]; then \
		echo "DVC has recorded no data here yet: make demo makes all from data that come with Python packages."; exit; \
	fi; \
	said=$$($(BIN)/dvc pull --allow-missing 2>&1) || { echo "$$said"; exit 1; }; \
	if $(BIN)/dvc data status --json | grep -q '"not_in_cache"'; then \
		echo "Files that DVC has recorded are neither here nor in the remote, which is"; \
		$(BIN)/dvc remote list; \
		echo "Run 'dvc push' where they are, or name the right remote: dvc remote add -d NAME URL. Which: dvc data status"; \
		exit 1; \
	fi; \
	echo "$$said" | tail -n 1

# DVC stops at the first product whose data is not here, so it is told which stages can run.
repro: .venv/.installed  ## the default environment's results by DVC, whose stages call kedro
	PATH="$(CURDIR)/$(BIN):$$PATH"; stages=$$(kedro dvc status --runnable) && dvc repro $$stages

long: .venv/.installed  ## the documented longer run of review_sentiment and its backbone
	$(BIN)/kedro run --env long --pipelines review_sentiment
	$(BIN)/kedro product list

test: .venv/.installed lint  ## lint, types, layers, tests
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile

test-slow: .venv/.installed  ## the proofs that take minutes or a browser
	$(BIN)/pytest -m slow

lint: .venv/.installed  ## packages, style, types, layers
	$(BIN)/pip check
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: .venv/.installed  ## speed, beside a peer in the same run; results in benchmarks/results
	for script in benchmarks/[!_]*.py; do $(BIN)/python $$script || exit 1; done

schema: .venv/.installed  ## the JSON Schema of the declaration files, for editors
	$(BIN)/kedro product schema docs/schema

docs: .venv/.installed  ## the references of commands and of registry.yml
	$(BIN)/kedro product reference docs/reference

lock: .venv/.installed  ## pin what is installed now
	$(BIN)/pip freeze --exclude-editable | sed 's/+cpu$$//' > requirements.lock

mlflow-ui: .venv/.installed
	$(BIN)/mlflow ui --backend-store-uri sqlite:///mlflow.db
