# Everything here needs Python 3.11-3.13 and make alone; the rest goes into .venv.

BIN := .venv/bin
INSTALLED := .venv/.installed
LOCKS := base prod dev deploy
VERSIONS = $(sort $(notdir $(wildcard */api/v[1-9]*)))

BENCH_OPTIONS = $(ONLY:%=--only %) $(RUNS:%=--runs %) $(BENCH)

.DEFAULT_GOAL := help
.PHONY: help run demo test lint types migrations-check openapi-check deploy-check \
    test-services faults soak bench bench-quick upgrade-check format lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-17s %s\n", $$1, $$2}' Makefile

run: $(INSTALLED) ## Run the whole service on this machine; Ctrl-C stops it
	@exec $(BIN)/python manage.py run_stack

demo: $(INSTALLED) ## The same for one request through each door, then stop
	@exec $(BIN)/python manage.py run_stack --demo

test: $(INSTALLED) ## Unit, integration and end-to-end tests on the embedded default
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder -m "not faults"

test-services: $(INSTALLED) ## The tests on the real services of deploy/services
	@deploy/services/install
	@deploy/services/up
	@eval "$$(deploy/services/env)" && export DNSORCH_TEST_REQUIRE_SERVICES=1 && \
	    $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder \
	        -m "not e2e and not services and not faults and not embedded" && \
	    $(BIN)/python -m pytest -m services dnsorch/tests/services

faults: $(INSTALLED) ## Break it in every way on the real services [SEED=n CROWD=700]
	@deploy/services/up
	@eval "$$(deploy/services/env)" && export DNSORCH_TEST_REQUIRE_SERVICES=1 && \
	    DNSORCH_TEST_SEED=$(SEED) DNSORCH_TEST_CROWD=$(CROWD) \
	    $(BIN)/python -m pytest -m faults dnsorch/tests/faults

soak: $(INSTALLED) ## Random faults for a while on the real services [MINUTES=30 SEED=n]
	@deploy/services/up
	@eval "$$(deploy/services/env)" && export DNSORCH_TEST_REQUIRE_SERVICES=1 && \
	    DNSORCH_TEST_SEED=$(SEED) DNSORCH_TEST_SOAK_MINUTES=$(or $(MINUTES),30) \
	    $(BIN)/python -m pytest -m soak dnsorch/tests/faults

bench: $(INSTALLED) ## Figures beside the floors of this machine [ONLY=name RUNS=3 BENCH=options]
	@deploy/services/up
	@eval "$$(deploy/services/env)" && export DNSORCH_TEST_REQUIRE_SERVICES=1 && \
	    $(BIN)/python -m dnsorch.bench $(BENCH_OPTIONS)

bench-quick: $(INSTALLED) ## Few of them, small, compared with those committed
	@$(MAKE) --no-print-directory bench BENCH="--quick --compare $(BENCH)"

lint: $(INSTALLED) ## Style: black, isort, flake8
	$(BIN)/black --quiet --check --diff .
	$(BIN)/isort --quiet --check --diff .
	$(BIN)/flake8

types: $(INSTALLED) ## Types: mypy, strict
	$(BIN)/mypy .

migrations-check: $(INSTALLED) ## Migrations: none is missing
	$(BIN)/python manage.py makemigrations --check --dry-run

openapi-check: $(INSTALLED) ## OpenAPI: each version's document is valid
	@for version in $(VERSIONS); do \
	    echo "OpenAPI $$version"; \
	    $(BIN)/python manage.py spectacular --api-version $$version --validate \
	        --fail-on-warn --file /dev/null || exit 1; \
	done

deploy-check: $(INSTALLED) ## Images, compose file and manifests in deploy/: linted
	@deploy/check

upgrade-check: $(INSTALLED) ## The release PREVIOUS=TAG on the schema of this one
	@deploy/upgrade_check "$(PREVIOUS)"

format: $(INSTALLED) ## Let black and isort rewrite the code
	$(BIN)/isort --quiet .
	$(BIN)/black --quiet .

lock: $(INSTALLED) ## Pin requirements/*.txt anew, with hashes
	$(BIN)/python -m pip install --disable-pip-version-check --quiet uv
	for name in $(LOCKS); do \
	    $(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
	        --generate-hashes --upgrade \
	        --custom-compile-command "make lock" \
	        requirements/$$name.txt --output-file requirements/$$name.lock || exit 1; \
	done

clean: ## Remove .venv, caches and the data of make run
	[ ! -d var/services ] || deploy/services/down
	rm -rf .venv var staticfiles .mypy_cache .pytest_cache .hypothesis .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): requirements/dev.lock deploy/embedded/make_venv.sh
	@deploy/embedded/make_venv.sh
