# Each target sets up what it needs on a machine that has Python 3.11 or newer and make.
# Variables: PYTHON (interpreter to start from), PYTEST_ARGS (to pytest), FAULT_SECONDS (of each phase), SOAK_SECONDS,
# BENCH_ARGS (to the benchmark), DEMO_ARGS (to the demo).

PYTHON ?= python3
BIN := .venv/bin
UV := $(BIN)/uv
UV_VERSION := $(shell sed -n 's/^ *"uv==\([0-9.]*\)",/\1/p' pyproject.toml)
WORKERS ?= 4

export UV_PROJECT_ENVIRONMENT := .venv
# The tests start hundreds of processes: without compiled modules each would compile the kit anew.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help install demo test test-slow broker-test stack-test k8s-test scenarios up compose-test faults soak bench bench-console \
	bench-volume check format lock generate \
	screenshots clean

help:  ## Show the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1	\2/p' $(MAKEFILE_LIST) | awk -F'\t' '{printf "  make %-10s %s\n", $$1, $$2}'

install: .venv/installed  ## Install everything into .venv, as uv.lock says

.venv/installed: pyproject.toml demo-services/pyproject.toml uv.lock
	@$(PYTHON) -c 'import sys; sys.exit("Clew needs Python 3.11 or newer; this is %d.%d. Name another: make PYTHON=python3.12" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || { echo "making .venv"; $(PYTHON) -m venv .venv; }
	@test -x $(UV) && $(UV) --version | grep -q ' $(UV_VERSION)' || { echo "installing uv $(UV_VERSION) into .venv"; $(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION); }
	@echo "installing the dependencies of uv.lock into .venv"
	@$(UV) sync --quiet --frozen --compile-bytecode --all-packages --all-extras
	@touch $@

demo: install  ## Run the shop with the console, until Ctrl-C
	@exec $(BIN)/clew demo $(DEMO_ARGS)

.venv/fastapi-0.141/installed: .venv/installed
	@echo "installing FastAPI 0.141, the last without telemetry of its own, into .venv/fastapi-0.141"
	@UV_PROJECT_ENVIRONMENT=.venv/fastapi-0.141 $(UV) sync --quiet --frozen --compile-bytecode --no-default-groups --group fastapi-0-141 --extra fastapi --extra httpx
	@touch $@

test: install  ## Run the tests
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -m "not slow" $(PYTEST_ARGS)

test-slow: install .venv/fastapi-0.141/installed  ## Run the tests that need real outages or seconds, and those of an older FastAPI
	@.venv/fastapi-0.141/bin/python -m pytest -q tests/integrations/test_asgi.py tests/test_setup.py -k "not console"
	@$(BIN)/python -m pytest -m slow -n 2 --dist loadgroup $(PYTEST_ARGS)

faults: install  ## Run each row of the fault table whole, and write docs/reliability.md (PYTEST_ARGS="-k row_02" for one)
	@$(BIN)/python -m pytest -m "faults or not soak" --fault-table docs/reliability.md tests/faults $(PYTEST_ARGS)

soak: install  ## Let faults come and go for an hour (SOAK_SECONDS=600 for a look), and write docs/reliability.md
	@$(BIN)/python -m pytest -m soak --fault-table docs/reliability.md tests/faults $(PYTEST_ARGS)

# Where all of a shop's story is: the stories, and the rows that are about messages and databases.
BROKER_TESTS := tests/stories tests/rows/test_row_16_queues.py tests/rows/test_row_17_order_event.py tests/rows/test_row_21_outbox.py

broker-test: install  ## Run the shop on NATS, RabbitMQ, Kafka and PostgreSQL, which are started here; what is missing is named
	@$(BIN)/python -m pytest -m "" tests/brokers $(PYTEST_ARGS)
	@for broker in nats rabbitmq kafka; do echo "the shop on $$broker"; \
		$(BIN)/python -m pytest -m "not stack and not compose" --broker $$broker $(BROKER_TESTS) $(PYTEST_ARGS) || exit 1; done
	@echo "the shop on PostgreSQL"
	@$(BIN)/python -m pytest -m "not stack and not compose" --database postgresql tests/stories $(PYTEST_ARGS)

# They need the machine for themselves, or alerts fire that nobody caused.
INCIDENTS := tests/stack/test_incidents.py

stack-test: install  ## Run the shop on Prometheus, Loki and the Collector, which are built first (minutes, once)
	@$(BIN)/python -m stack build
	@$(BIN)/python -m pytest -m stack $(INCIDENTS) $(PYTEST_ARGS)
	@$(BIN)/python -m pytest --backends stack -m stack -n 3 --dist loadgroup --ignore $(INCIDENTS) $(PYTEST_ARGS)

k8s-test: install  ## Have a Kubernetes API server judge kubernetes/; it is built first (a quarter of an hour, once)
	@$(BIN)/python -m stack build kube-apiserver kubectl controller-gen
	@$(BIN)/python -m pytest -m "kubernetes or not slow" tests/kubernetes $(PYTEST_ARGS)

scenarios: install  ## Give the shop each fault of docs/scenarios.md, and see which alerts fire and when (PYTEST_ARGS="-k broker" for one)
	@$(BIN)/python -m stack build
	@$(BIN)/python -m pytest -m "scenarios or stack" --scenario-table docs/scenarios.md tests/scenarios $(PYTEST_ARGS)

up: install  ## Run the shop with the whole stack in containers
	@docker compose up --detach --build --wait
	@echo "Grafana http://127.0.0.1:$${GRAFANA_PORT:-3000}   shop http://127.0.0.1:$${GATEWAY_PORT:-8000}   end it: docker compose down"

compose-test: install  ## Bring compose.yaml and compose.light.yaml up and test them, where Docker has or can pull the images
	@docker compose build
	@$(BIN)/python -m pytest --backends compose -m "not slow" tests/stories $(PYTEST_ARGS)
	@$(BIN)/python -m pytest -m compose $(PYTEST_ARGS)

.venv/bench/installed: .venv/installed
	@echo "installing what the costs are compared with into .venv/bench"
	@UV_PROJECT_ENVIRONMENT=.venv/bench $(UV) sync --quiet --frozen --no-default-groups --group bench --extra fastapi --extra grpc --extra httpx --extra faststream --extra sqlalchemy --extra testing
	@touch $@

bench: .venv/bench/installed  ## Measure what the kit costs beside what else there is (BENCH_ARGS="--only http --cycles 5" for a look)
	@.venv/bench/bin/python -m benchmarks $(BENCH_ARGS)

bench-console: install  ## Measure the console beside Jaeger, which is built first (half an hour; BENCH_ARGS="ingest" for a step)
	@$(BIN)/python -m benchmarks.console $(BENCH_ARGS)

bench-volume: install  ## Measure how much telemetry an order is, on the wire and in the backends' CPU (minutes; builds the backends first)
	@$(BIN)/python -m stack build
	@$(BIN)/python -m benchmarks.volume $(BENCH_ARGS)

check: install  ## Check format, lint, types, imports and generated files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports
	$(UV) lock --check --quiet
	$(BIN)/python -m shop.contracts.generate --check
	$(BIN)/python -m stack validate
	$(BIN)/python -m mixin.generate --check
	$(BIN)/python docs/generate.py --check

format: install  ## Format the code and mend what the linter can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: install  ## Resolve the dependencies anew
	$(UV) lock

generate: install  ## Generate the gRPC stubs, the dashboards, the alert rules and the reference of settings
	$(BIN)/python -m shop.contracts.generate
	$(BIN)/python -m mixin.generate
	$(BIN)/python docs/generate.py

screenshots: install  ## Take the pictures in docs/images from a run of the shop
	@$(BIN)/python tests/browser/screenshots.py docs/images
	@$(BIN)/python tests/browser/pattern_pictures.py docs/images

clean:  ## Remove the environment and what the demo stored
	rm -rf .venv .clew .pytest_cache .ruff_cache
