# The commands of this project; `make help` lists them. They need only Python 3.11 or newer.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
DATA_DIR ?= .local
PYTEST_ARGS ?=
TEST_PROCESSES ?= 2
RUNS ?= 500000
STAGE ?= dev
EMULATORS ?= localstack ministack
FUZZ_VENV := .venv-fuzz
RIVALS_VENV := .venv-rivals
SCHEMATHESIS_VENV := .venv-schemathesis
NODE_VENV := .venv-node
WEB_TOOLS := node_modules/.installed
# pip refuses a file whose hash is not in the lock.
PIP_INSTALL := pip install --quiet --disable-pip-version-check --require-hashes
WITH_NODE := PATH="$(CURDIR)/node_modules/.bin:$(CURDIR)/$(NODE_VENV)/bin:$$PATH"
# Ctrl-C is held back while Python itself starts, which would print a traceback; infra/entry.py then ends the command with
# one line. Where `env` cannot do that (macOS), this moment remains. `python -m infra` runs programs of other packages.
RUN = $(shell env --block-signal=INT true 2>/dev/null && echo env --block-signal=INT) $(BIN)/python -m
PYTEST = $(RUN) infra pytest
export DATA_DIR

# The shell gets these values in the environment, as "$$FILE", and with their dollar signs: a file may have any name.
USER_VALUES := FILE ENCODING ROWS NAME SCOPE EXPIRES PARAMETERS CONFIRM OSV_URL
$(foreach name,$(USER_VALUES),$(if $(filter command%,$(origin $(name))),$(eval export override $(name) := $$(value $(name)))))

.DEFAULT_GOAL := help
.PHONY: help run demo import psql token tokens revoke-token quick test bench bench-rivals chaos slow-database mutate fuzz schemathesis huge
.PHONY: check check-web format emulator clean package conformance up down deploy destroy lock update audit lambda-dependencies cloud-test cloud-emulator

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The supervisor replaces the shell, so that make is its parent: make forwards SIGTERM to it, and it notices if make is killed.
run: $(INSTALLED) $(if $(DOCKER),,emulator) ## Start everything and print the link to open (PORT=8000 DATA_DIR=.local WORKERS=4 DOCKER=1)
	@exec env STOP_WITH_PARENT=1 $(RUN) infra.local

demo: $(INSTALLED) ## Generate a file of 500,000 products and import it into the running stack (ROWS=500000)
	@$(RUN) infra.local.client demo $(if $(value ROWS),--rows "$$ROWS")

# The program ends with status 0 (every row), 3 (some rows rejected) or 1. make shows it as "Error 3" and ends with 2.
import: $(INSTALLED) ## Import your own file into the running stack (FILE=products.csv ENCODING=windows-1252)
	@$(RUN) infra.local.client import $(if $(value ENCODING),--encoding "$$ENCODING") -- "$$FILE"

psql: $(INSTALLED) ## Open psql on the running stack's database
	@$(RUN) infra.local.client psql

# Tokens are those of the local stack unless STAGE is given: the default above is for packages.
OF_STAGE = $(if $(filter-out file,$(origin STAGE)),--stage "$(STAGE)")

token: $(INSTALLED) ## Create an API token and show it once (NAME='the shop' SCOPE=read|write|admin EXPIRES=90d STAGE=dev)
	@$(RUN) infra.tokens $(OF_STAGE) create $(if $(value SCOPE),--scope "$$SCOPE") $(if $(value EXPIRES),--expires "$$EXPIRES") -- "$$NAME"

tokens: $(INSTALLED) ## List the API tokens with name, scope, last use and expiry (STAGE=dev)
	@$(RUN) infra.tokens $(OF_STAGE) list

revoke-token: $(INSTALLED) ## Revoke an API token (NAME='the shop' STAGE=dev)
	@$(RUN) infra.tokens $(OF_STAGE) revoke -- "$$NAME"

quick: $(INSTALLED) ## Run the unit tests that are not marked slow (PYTEST_ARGS='-k name' TEST_PROCESSES=2)
	$(PYTEST) -n $(TEST_PROCESSES) -m "not slow" tests/unit $(PYTEST_ARGS)

# The emulator of the cloud comes first: it says so if it does not support this Python.
# Each process has its own stacks. A file stays in one process, and the order of files is kept: it starts with the slow ones.
test: $(INSTALLED) cloud-emulator $(SCHEMATHESIS_VENV)/.installed emulator lambda-dependencies ## Run every test, on embedded stacks (PYTEST_ARGS='-k name' TEST_PROCESSES=2)
	$(PYTEST) -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

bench: $(INSTALLED) emulator ## Compare imports with others, and show which goals are missed (BENCH_ARGS='--runs 5 --only paired')
	$(RUN) infra tests.benchmark $(BENCH_ARGS)

bench-rivals: $(INSTALLED) emulator $(RIVALS_VENV)/.installed ## Compare imports with psql, pyarrow and pgpq, dlt and, if it is installed, pgloader
	$(RUN) infra tests.benchmark --only others $(BENCH_ARGS)

chaos: $(INSTALLED) emulator ## Import 500,000 rows and send 2,000 events while processes are killed (CHAOS_SEED= repeats a run)
	CHAOS=long $(PYTEST) tests/chaos -s --timeout 1800 --deselect tests/chaos/test_slow_database.py

slow-database: $(INSTALLED) emulator ## Import while PostgreSQL is slow, frozen for a minute, throttled to a tenth, and failing over
	CHAOS=long $(PYTEST) tests/chaos/test_slow_database.py -s --timeout 3600

mutate: $(INSTALLED) emulator ## Remove one safety mechanism at a time, and check that a test fails
	$(RUN) infra tests.mutation.mutate

fuzz: $(FUZZ_VENV)/.installed ## Fuzz the splitter and the row rules, guided by coverage (RUNS=500000; Linux, Python 3.11 to 3.13)
	@mkdir -p $(DATA_DIR)/fuzz/corpus
	$(FUZZ_VENV)/bin/python -m tests.fuzz.fuzz_boundaries -atheris_runs=$(RUNS) -max_len=640 -len_control=20 -timeout=10 \
		-dict=tests/fuzz/boundaries.dict -artifact_prefix=$(DATA_DIR)/fuzz/ $(DATA_DIR)/fuzz/corpus tests/fuzz/corpus

schemathesis: $(INSTALLED) $(SCHEMATHESIS_VENV)/.installed emulator ## Test the running API against its OpenAPI document (SCHEMATHESIS_ARGS='--max-examples 1000')
	$(RUN) infra tests.contract $(SCHEMATHESIS_ARGS)

huge: $(INSTALLED) emulator ## Split a generated file of 5,000 MB, and show time and memory (HUGE_FILE_MB=5000)
	HUGE_FILE_MB=$(or $(HUGE_FILE_MB),5000) \
		$(PYTEST) -o log_cli=true --log-cli-level=INFO tests/integration/test_huge_file.py

check: $(INSTALLED) check-web ## Check format, lint, types and the direction of imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check-web: $(WEB_TOOLS) ## Check format, lint and types of the page alone
	$(WITH_NODE) prettier --check .
	$(WITH_NODE) eslint --max-warnings 0 .
	$(WITH_NODE) tsc

format: $(INSTALLED) $(WEB_TOOLS) ## Format the code, and fix what the linter can fix
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(WITH_NODE) eslint --fix .
	$(WITH_NODE) prettier --write --log-level warn .

emulator: $(INSTALLED) ## Install the emulator of S3 and SQS if it is missing (EMULATOR=localstack|ministack)
	@$(RUN) infra.local.s3_sqs.installation

conformance: $(INSTALLED) ## Test what we need of S3 and SQS on each emulator (EMULATORS='localstack ministack')
	@for emulator in $(EMULATORS); do \
		EMULATOR=$$emulator $(RUN) infra.local.s3_sqs.installation || exit 1; \
		echo "--- $$emulator ---"; \
		EMULATOR=$$emulator $(PYTEST) tests/conformance tests/acceptance/test_story.py -rs || exit 1; \
	done

cloud-test: $(INSTALLED) cloud-emulator lambda-dependencies ## Deploy the package to an emulated AWS account that enforces policies, and use it
	$(PYTEST) tests/cloud $(PYTEST_ARGS)

cloud-emulator: $(INSTALLED)
	@$(RUN) infra.local.s3_sqs.installation ministack-cloud

up: $(INSTALLED) ## Start LocalStack and PostgreSQL in Docker, with our resources and schema
	@$(RUN) infra.compose up

down: $(INSTALLED) ## Stop the Docker containers; the data of PostgreSQL stays in its volume
	@$(RUN) infra.compose down

package: $(INSTALLED) ## Build out/<stage>/deployment.zip, template.json and sbom.json for a deployment (STAGE=dev)
	@$(RUN) infra.deploy.packaging -- "$(STAGE)"

deploy: $(INSTALLED) ## Deploy a stage with your AWS credentials (STAGE=dev PARAMETERS='AlarmEmail=…')
	@$(RUN) infra.deploy.deployment deploy -- "$(STAGE)" $$PARAMETERS

destroy: $(INSTALLED) ## Delete a stage; keeps files, the key of secrets and a database snapshot (STAGE=dev CONFIRM=dev)
	@test "$(origin STAGE)" != file || { echo "STAGE is required. Example: make destroy STAGE=dev" >&2; exit 2; }
	@$(RUN) infra.deploy.deployment destroy $(if $(value CONFIRM),--confirm "$$CONFIRM") -- "$(STAGE)"

# The package's dependencies: prepared once, then kept in DATA_DIR.
lambda-dependencies: $(INSTALLED)
	@$(RUN) infra.deploy.dependencies

lock: $(INSTALLED) ## Write locks/ after you changed requirements.txt or a group in pyproject.toml
	@$(RUN) infra.supply.locks

update: $(INSTALLED) $(NODE_VENV)/.installed ## Update every dependency: pins, locks, npm, Docker images, certificates of RDS
	@$(WITH_NODE) $(RUN) infra.supply.update

audit: $(INSTALLED) $(NODE_VENV)/.installed ## Compare all locks with the known vulnerabilities (OSV_URL=https://…)
	@$(WITH_NODE) $(RUN) infra.supply.audit $(if $(value OSV_URL),--osv-url "$$OSV_URL")

clean: ## Remove environments, caches and ALL DATA in DATA_DIR
	@$(PYTHON) -m infra.local.processes.lock "$(DATA_DIR)"
	rm -rf .venv .venv-fuzz .venv-rivals .venv-schemathesis .venv-localstack .venv-ministack .venv-ministack-cloud $(NODE_VENV) node_modules .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	rm -rf "$(DATA_DIR)" out
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(FUZZ_VENV)/.installed $(RIVALS_VENV)/.installed $(SCHEMATHESIS_VENV)/.installed $(NODE_VENV)/.installed: .venv-%/.installed: locks/%.txt
	$(PYTHON) -m venv --clear .venv-$*
	.venv-$*/bin/python -m $(PIP_INSTALL) -r $<
	@touch $@

# Node.js comes from PyPI, so that everyone checks with the same version and needs none of their own.
$(WEB_TOOLS): package.json package-lock.json $(NODE_VENV)/.installed
	@echo "Installing the tools that check the page into node_modules/"
	@$(WITH_NODE) npm ci --loglevel=error
	@touch $@

# A stamp: while it is newer than the locks, nothing is installed. Building what has no wheel downloads nothing: it uses the
# setuptools that was just installed.
$(INSTALLED): locks/dev.txt locks/dev-built.txt
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not installed. Python 3.11 or newer is needed: make PYTHON=… run"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; this is $$($(PYTHON) --version 2>&1). Choose another: make PYTHON=… run"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null \
		|| { echo "Python's venv module is missing. On Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@test "$$($(BIN)/python --version 2>&1)" = "$$($(PYTHON) --version)" || $(PYTHON) -m venv --clear $(VENV)
	@echo "Installing Python packages into $(VENV)/"
	@$(BIN)/python -m $(PIP_INSTALL) -r locks/dev.txt
	@$(BIN)/python -m $(PIP_INSTALL) --no-deps --no-build-isolation -r locks/dev-built.txt
	@touch $@
