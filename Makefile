# Karen: `make run` starts everything on this machine, `make test` checks everything.
# Each target installs what it needs into .venv first; the second time that costs milliseconds.

PYTHON ?= python3
BOOTSTRAP = @$(PYTHON) -m tools.stack.bootstrap
STACK = @.venv/bin/python -m tools.stack

.PHONY: help run test soak chaos bench-memory lint bench budgets shell operator lock clean

help:
	@echo 'make run        start Karen on http://localhost:8000 (PORT=8001 make run)'
	@echo 'make test       run all tests (ARGS="tests/unit -k slug")'
	@echo 'make chaos      kill every process while 200 people wait for answers (5 minutes)'
	@echo 'make soak       run the long versions of tests: more rounds, more clients (10 minutes)'
	@echo 'make lint       run all checkers'
	@echo 'make bench      measure (ARGS="core chat")'
	@echo 'make bench-memory  measure how well recall finds evidence (DATA=<file in the schema of LoCoMo>)'
	@echo 'make budgets    rewrite the query budgets of the tests'
	@echo 'make shell      a Python shell inside Karen'
	@echo 'make operator   create an operator of the platform (OPERATOR_EMAIL, OPERATOR_PASSWORD)'
	@echo 'make lock       compile requirements/*.in (ARGS=--upgrade)'
	@echo 'make clean      remove .venv and var with everything in them'

run:
	$(BOOTSTRAP) base models local_model
	$(STACK).run

test:
	$(BOOTSTRAP) base models local_model test dev
	$(STACK).test --browser pytest

soak:
	$(BOOTSTRAP) base models local_model test
	$(STACK).test pytest -m soak $(ARGS)

chaos:
	$(BOOTSTRAP) base models local_model test
	@.venv/bin/python -m tests.chaos $(ARGS)

lint:
	$(BOOTSTRAP) base test dev
	$(STACK).lint

bench:
	$(BOOTSTRAP) base models local_model test
	$(STACK).test --durable tests.bench $(ARGS)

budgets:
	$(BOOTSTRAP) base models local_model test
	@UPDATE_BUDGETS=1 .venv/bin/python -m tools.stack.test pytest

bench-memory:
	$(BOOTSTRAP) base models test
	$(STACK).test tests.bench.memory_quality $(DATA)

shell:
	$(BOOTSTRAP) base models
	$(STACK).manage shell

operator:
	$(BOOTSTRAP) base models
	$(STACK).manage create_operator

lock:
	$(BOOTSTRAP) base dev
	$(STACK).lock

clean:
	@$(PYTHON) -m tools.stack.clean
