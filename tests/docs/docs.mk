# The pages, tried; read by the Makefile.  CONTRIBUTING.md tells how a page says what its blocks are.
.PHONY: docs-test

docs-test: ## try every command, snippet, link and name of the pages (PAGES="docs/cli.md README.md")
	@scripts/deps.sh build test
	+@$(SUBMAKE) all
	@ACTIX='$(abspath $(O))/bin/actix' $(NODE) tests/docs/run.mjs $(PAGES)
