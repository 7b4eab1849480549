# The npm package and the container, read by the Makefile.
.PHONY: npm npm-test container-test

NPM_OUT := $(if $(filter file,$(origin OUT)),build/npm,$(O)/npm)

# The package holds an installed tree, and the sources for the machines that it does not run on.
npm: ## pack the npm package actix-js into build/npm
	@scripts/deps.sh build
	+@$(SUBMAKE) BUILD=release OUT=$(NPM_OUT)/tree LIBS=static all
	+@rm -rf $(NPM_OUT)/package
	+@$(SUBMAKE) BUILD=release OUT=$(NPM_OUT)/tree LIBS=static DESTDIR=$(NPM_OUT)/package PREFIX= install > /dev/null
	@$(NODE) packaging/npm/pack.js $(NPM_OUT) $(NAPI_VERSION) '$(CORE_SRC)' '$(ADDON_SRC)' '$(HOST_SRC) cli/main.c' '$(LLHTTP_SRC)'

npm-test: npm ## install that package in an empty project and serve with every Node that npm brings
	@ACTIX_NPM=$$(ls -t $(NPM_OUT)/actix-js-*.tgz | head -n 1) $(NODE) --test tests/integration/npm.test.js

container-test: ## run each step of packaging/Dockerfile in a chroot, and the image that comes of it (root, debootstrap)
	@packaging/container-test.sh
