# Tests that break things under load; read by the Makefile.  docs/operations.md tells what an operator sees of each case.
.PHONY: chaos chaos-short

# SEED repeats a run, ISOLATION narrows it to thread or process: both reach the scripts by the environment.
CHAOS = ACTIX='$(abspath $(O))/bin/actix' $(NODE) tests/chaos/run.mjs

chaos: ## break things under load, a quarter of an hour long (SCRIPTS="reload soak" SEED=N ISOLATION=process)
	@scripts/deps.sh build test
	+@$(SUBMAKE) all
	@$(CHAOS) $(SCRIPTS)

chaos-short: ## the same in little, which is part of `make test`
	@scripts/deps.sh build test
	+@$(SUBMAKE) all
	@$(CHAOS) --short $(SCRIPTS)
