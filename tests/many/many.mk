# Several machines on one: network namespaces behind a real HAProxy, and the manifests for Kubernetes; read by the Makefile.
.PHONY: many-test

# The build that the upgrade brings: it differs by its version alone.
MANY_NEXT := $(if $(filter file,$(origin OUT)),build/many-next,$(O)-next)
MANY      := ACTIX='$(abspath $(O))/bin/actix' ACTIX_NEXT='$(abspath $(MANY_NEXT))/bin/actix' $(NODE)

# The scripts say what they leave out without root, and end with 77.
many-test: ## upgrade, kill, cut off one of three machines behind HAProxy; try packaging/kubernetes (root, two minutes)
	@scripts/deps.sh build test
	@[ "$$(id -u)" -ne 0 ] || scripts/deps.sh machines
	+@$(SUBMAKE) all
	+@$(SUBMAKE) OUT=$(MANY_NEXT) VERSION=$(VERSION)+next all
	@$(MANY) tests/many/kubernetes.mjs || [ $$? -eq 77 ]
	@$(MANY) tests/many/run.mjs || [ $$? -eq 77 ]
