# Packages for Debian and Fedora, manual pages and completions, read by the Makefile.
# The packages have a tree of their own: their flags leave no trace of the folder they were built in.
#= PGO=off on     make deb, make rpm: by a profile (make pgo); such a package cannot be built bit by bit again
.PHONY: deb rpm man completions packages-tree packages-test systemd-test

PGO ?= off
$(call one-of,PGO,on off)
PACKAGES := $(if $(filter file,$(origin OUT)),build/packages,$(O)/packages)
# Of the last commit; a tree without git has the date of its version.
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || stat -c %Y VERSION)
export SOURCE_DATE_EPOCH

man: ## write the manual pages into OUT/man
	+@[ -x $(O)/bin/actix ] || $(SUBMAKE) $(O)/bin/actix
	@packaging/man/build.sh $(O)/bin/actix $(O)/man

completions: ## write the completions for bash, zsh and fish into OUT/completions
	+@[ -x $(O)/bin/actix ] || $(SUBMAKE) $(O)/bin/actix
	@packaging/completions/build.sh $(O)/bin/actix $(O)/completions

PACKAGED := BUILD=$(if $(filter on,$(PGO)),pgo,release) OUT=$(PACKAGES)/tree
packages-tree:
	@scripts/deps.sh build packages
	+@CFLAGS='-ffile-prefix-map=$(CURDIR)=.' LDFLAGS='-ffile-prefix-map=$(CURDIR)=.' \
	$(SUBMAKE) $(if $(filter on,$(PGO)),OUT=$(PACKAGES)/tree pgo,$(PACKAGED) all)

# The flags stay the same, so that nothing is compiled anew.
packaged = CFLAGS='-ffile-prefix-map=$(CURDIR)=.' LDFLAGS='-ffile-prefix-map=$(CURDIR)=.' \
           BUILD=$(if $(filter on,$(PGO)),pgo,release) VERSION='$(VERSION)' MAKE='$(MAKE)' $(1) $(PACKAGES)/tree

deb: packages-tree ## build build/packages/actix_VERSION_ARCH.deb
	+@$(call packaged,packaging/deb/build.sh) $(PACKAGES)

rpm: packages-tree ## build build/packages/actix-VERSION.ARCH.rpm
	+@$(call packaged,packaging/rpm/build.sh) $(PACKAGES)

packages-test: ## install, use, remove and purge both packages in clean chroots (root, debootstrap; minutes)
	+@MAKE='$(MAKE)' packaging/packages-test.sh

# A version that dpkg takes for a later one; it differs by that alone.
PACKAGES_NEXT := $(PACKAGES)-next
systemd-test: deb ## boot a Debian with systemd, install the deb, run apps as units, upgrade and downgrade it under load (root; minutes)
	+@$(SUBMAKE) OUT=$(PACKAGES_NEXT) VERSION=$(VERSION)+next deb
	@ACTIX_DEB=$$(ls -t $(PACKAGES)/actix_*.deb | head -n 1) ACTIX_DEB_NEXT=$$(ls -t $(PACKAGES_NEXT)/packages/actix_*.deb | head -n 1) \
	packaging/systemd-test.sh
