# `make demo` and `make test` need only Python 3.11+, git and make; they create .venv and install what they need.
# PYTHON=/path/to/python3.12 chooses the interpreter, LONG=1 adds the tests that take minutes.

.DEFAULT_GOAL := help
.PHONY: help demo test lint bench pictures wheel clean

BIN := .venv/bin
MESSAGE := arm-hyp needs Python 3.11 or newer

# The installation is up to date when the stamp of this checkout, its build files and its C helpers exists.
KEY := $(shell { pwd; cat pyproject.toml setup.py $(wildcard arm_hyp/cpu/*.c); } | cksum | tr ' ' '-')
RUN_STAMP := .venv/.run-$(KEY)
DEV_STAMP := .venv/.dev-$(KEY)
# No stamp holds when the interpreter that made the environment is gone.
$(shell test -x $(BIN)/python || rm -f .venv/.run-* .venv/.dev-*)

help:
	@echo 'make demo   open the course in the terminal'
	@echo 'make test   lint and run the tests (LONG=1: the long ones too)'
	@echo 'make bench  run the benchmarks'
	@echo 'make pictures  draw the pictures in docs/ anew'
	@echo 'make lint   ruff, mypy, import-linter'
	@echo 'make wheel  build the wheel into dist/'
	@echo 'make clean  remove .venv and all that was built'

demo: $(RUN_STAMP)
	@if test -t 0 && test -t 1; then $(BIN)/arm-hyp course; else $(BIN)/arm-hyp demo; fi

# Lint first, but run the tests even if it fails: who broke both wants to know both.
test: $(DEV_STAMP)
	@failed=0; \
	$(MAKE) --no-print-directory lint || failed=1; \
	$(BIN)/pytest -n 3 -p no:benchmark $(if $(filter-out 0,$(LONG)),-m '') || failed=1; \
	exit $$failed

lint: $(DEV_STAMP)
	@failed=0; \
	$(BIN)/ruff check . || failed=1; \
	$(BIN)/mypy || failed=1; \
	$(BIN)/lint-imports --no-logo || failed=1; \
	test $$failed = 0 || echo 'make lint: failed, see above' >&2; \
	exit $$failed

bench: $(DEV_STAMP)
	@$(BIN)/pytest bench --benchmark-only

# $(call recorded,NAME,GUEST AND OPTIONS), then $(call drawn,NAME,PICTURE,OPTIONS): docs/PICTURE.svg
SCRATCH := build/pictures
recorded = $(BIN)/arm-hyp run guests/$(2) --record $(SCRATCH)/$(1).hyp >/dev/null 2>&1
drawn = $(BIN)/arm-hyp export $(SCRATCH)/$(1).hyp --to svg --force -o docs/$(2).svg $(3)

pictures: $(RUN_STAMP)
	@mkdir -p $(SCRATCH)
	@$(BIN)/arm-hyp demo --svg docs/first-trap.svg
	@$(call recorded,wfi,02-wfi.s --set HCR_EL2.TWI=1)
	@$(call recorded,paging,25-demand-paging.s --hypervisor)
	@$(call recorded,vms,vms/counting.toml --max-instructions 9000000) || true
	@$(call drawn,wfi,terminal-80x24,--at 10.2 --size 80x24)
	@$(call drawn,wfi,terminal-why,--at 10.2 --size 90x28 --panel trap)
	@$(call drawn,paging,terminal-120x40,--at 4.1 --theme light)
	@$(call drawn,paging,terminal-walk,--at 47.1 --size 90x24 --panel walk)
	@$(call drawn,vms,terminal-200x60,--at 7928008.1 --size 200x60)
	@rm -rf $(SCRATCH)

wheel: $(RUN_STAMP)
	@rm -rf build dist
	@$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .
	@ls dist/*.whl

clean:
	rm -rf .venv dist build *.egg-info

$(RUN_STAMP): EXTRAS :=
$(DEV_STAMP): EXTRAS := [dev]
$(RUN_STAMP) $(DEV_STAMP):
	@set -e; python='$(PYTHON)'; \
	supported() { "$$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }; \
	if [ -z "$$python" ]; then \
	  for name in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	    if supported $$name; then python=$$name; break; fi; \
	  done; \
	  [ -n "$$python" ] || { echo '$(MESSAGE), and found none: install it, or say PYTHON=/path/to/it' >&2; exit 1; }; \
	elif ! supported "$$python"; then \
	  echo "$(MESSAGE), and PYTHON=$$python is not one: install it, or name another" >&2; exit 1; \
	fi; \
	"$$python" -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$$python cannot make virtual environments: install its venv module (Debian: apt install python3-venv)" >&2; \
	  exit 1; }; \
	echo 'Setting up .venv (once; about a minute)' >&2; \
	$(BIN)/python -m pip --version >/dev/null 2>&1 || "$$python" -m venv --clear .venv; \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.$(EXTRAS)'; \
	rm -f .venv/.run-* .venv/.dev-*; \
	touch $(RUN_STAMP) $(if $(EXTRAS),$(DEV_STAMP))
