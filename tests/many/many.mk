# Several machines on one: network namespaces behind a real HAProxy, and the manifests for Kubernetes; read by the Makefile.
.PHONY: many-test

# The build that the upgrade brings: it differs by its version alone.
MANY_NEXT := $(if $(filter file,$(origin OUT)),build/many-next,$(O)-next)

many-test: ## upgrade, kill and cut off one of three machines behind HAProxy; look at packaging/kubernetes (root, some minutes)
	@scripts/deps.sh build test machines
	+@$(SUBMAKE) all
	+@$(SUBMAKE) OUT=$(MANY_NEXT) VERSION=$(VERSION)+next LTO=off all
	@ACTIX='$(abspath $(O))/bin/actix' $(NODE) tests/many/kubernetes.mjs
	@ACTIX='$(abspath $(O))/bin/actix' ACTIX_NEXT='$(abspath $(MANY_NEXT))/bin/actix' $(NODE) tests/many/run.mjs
