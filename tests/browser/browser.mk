# A browser as a client; read by the Makefile.
.PHONY: browser-test

browser-test: ## let a headless Chromium use an app: forms, streams, server-sent events (installs chromium)
	@scripts/deps.sh build test browser
	+@$(SUBMAKE) all
	@ACTIX='$(abspath $(O))/bin/actix' $(NODE) --test tests/browser/browser.test.js
