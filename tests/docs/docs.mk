# The pages, tried; read by the Makefile.  CONTRIBUTING.md tells how a page says what its blocks are.
.PHONY: docs-test docs-newcomer

docs-test: ## try every command, snippet, link and name of the pages (PAGES="docs/cli.md README.md")
	@scripts/deps.sh build test
	+@$(SUBMAKE) all
	@ACTIX='$(abspath $(O))/bin/actix' $(NODE) tests/docs/run.mjs $(PAGES)

docs-newcomer: ## follow README.md and the first steps in a clean Debian with the deb (root, debootstrap; minutes)
	@tests/docs/newcomer.sh $(DEB)
