# All the entry points; `make help` lists them.  Sources are found by wildcard: there is no second list.
# `all` builds a tree that runs in place (build/release/bin/actix), and `install` copies it.
BUILD  ?= release
PREFIX ?= /usr/local
CC     ?= gcc
ifeq ($(origin CC),default)
CC := gcc
endif
NODE   ?= node
VERSION := $(shell cat VERSION)

# Where it is built.  OUT=build/NAME lets several configurations live side by side.
OUT ?= build/$(BUILD)
O := $(OUT)
# V=1 shows the whole commands.
Q := $(if $(filter 1,$(V)),,@)
# A recipe's own make: as many jobs as there are CPUs, unless -j was given.
SUBMAKE = $(MAKE) --no-print-directory $(if $(filter -j% --jobserver%,$(MAKEFLAGS)),,-j$(shell nproc))

# ---- what may be asked for.  Anything else is refused here, before a compiler says something odd.
KINDS  := release debug asan tsan cover
MARCHS := portable native $(if $(filter x86_64,$(shell uname -m)),x86-64-v2 x86-64-v3)
# OPT=-O1 takes the place of the kind's own level.
OPT    ?= $(LEVEL_$(BUILD))
MARCH  ?= portable
POOL   ?= default
INTERN ?= on
# one-of NAME, ALLOWED: stops unless the variable NAME has one of the ALLOWED values.
one-of = $(if $(and $(filter 1,$(words $($(1)))),$(filter $(2),$($(1)))),,$(error $(1)=$($(1)) is none of: $(2)))
$(call one-of,BUILD,$(KINDS))
$(call one-of,MARCH,$(MARCHS))
$(call one-of,POOL,default malloc)
$(call one-of,INTERN,on off)

# ---- flags by build kind
WARN   := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wpointer-arith -Wcast-qual \
          -Wwrite-strings -Wformat=2 -Wundef
LEVEL_release := -O2
LEVEL_debug   := -O0
LEVEL_asan    := -O1
LEVEL_tsan    := -O1
LEVEL_cover   := -O0
KIND_release := -g -fno-plt -DNDEBUG
KIND_debug   := -g3 -DAX_DEBUG
KIND_asan    := -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -DAX_DEBUG -DAX_POOL_MALLOC
KIND_tsan    := -g -fsanitize=thread -fno-omit-frame-pointer -DAX_DEBUG -DAX_POOL_MALLOC
KIND_cover   := -g --coverage -fprofile-update=atomic -DAX_DEBUG
$(call one-of,OPT,-O0 -O1 -O2 -O3 -Os -Og)
ARCH_FLAG  := $(if $(filter-out portable,$(MARCH)),-march=$(MARCH))
# The lower rungs of the benchmark ladder: each object from malloc, each string made anew.
RUNG_FLAGS := $(if $(filter malloc,$(POOL)),-DAX_POOL_MALLOC) $(if $(filter off,$(INTERN)),-DAX_NO_INTERN)
KIND_FLAGS := $(KIND_$(BUILD)) $(filter-out $(KIND_$(BUILD)),$(RUNG_FLAGS))
# No fortify under sanitizers: it hides what they look for; nor without optimization: glibc warns.
HARDEN_release := -fstack-protector-strong $(if $(filter -O0,$(OPT)),,-D_FORTIFY_SOURCE=2)
CPPFLAGS += -D_GNU_SOURCE -Iserver -I. -DAX_VERSION='"$(VERSION)"' $(HARDEN_$(BUILD))
CFLAGS   += -std=c11 -fPIC -fvisibility=hidden -MMD -MP $(WARN) $(OPT) $(ARCH_FLAG) $(KIND_FLAGS)
LINK_release := -Wl,-z,relro,-z,now
LDFLAGS  += $(filter -fsanitize% --coverage,$(KIND_$(BUILD))) $(LINK_$(BUILD))

# ---- libraries
PKGS       := libuv yaml-0.1 sqlite3 jansson smartcols
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS   := $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lpthread
LLHTTP_SRC := $(wildcard /usr/share/llhttp/*.c)
LLHTTP_INC := -I/usr/share/include/llhttp
# Behind the system's folders: Node brings a uv.h of its own, and the addon is built against the system's, the older one.
NODE_INC   := $(firstword $(wildcard node_modules/node-api-headers/include) \
              $(shell $(NODE) -p 'require("path").resolve(process.execPath, "../../include/node")' 2>/dev/null))

# ---- sources
CORE_SRC  := $(filter-out server/metrics/store%,$(wildcard server/base/*.c server/http/*.c server/net/*.c server/metrics/*.c))
HOST_SRC  := $(wildcard server/metrics/store*.c config/*.c server/supervisor/*.c) $(filter-out cli/main.c,$(wildcard cli/*.c))
ADDON_SRC := $(wildcard addon/*.c)
TEST_SRC  := $(wildcard tests/unit/*/*_test.c tests/unit/*/*/*_test.c)
JS_FILES  := $(filter-out addon/package-lock.json,$(wildcard addon/*.js addon/*.mjs addon/*.ts addon/*.json))
TEMPLATES := $(shell find templates -type f 2>/dev/null)

obj        = $(patsubst %.c,$(O)/obj/%.o,$(1))
LLHTTP_OBJ := $(patsubst /usr/share/llhttp/%.c,$(O)/obj/llhttp/%.o,$(LLHTTP_SRC))
CORE_OBJ   := $(call obj,$(CORE_SRC)) $(LLHTTP_OBJ)
HOST_OBJ   := $(call obj,$(HOST_SRC))
TEST_BIN   := $(patsubst tests/unit/%.c,$(O)/tests/%,$(TEST_SRC))
# ONLY="net metrics" keeps the unit tests of those folders.
ONLY       ?=
UNIT_BIN   := $(if $(ONLY),$(filter $(patsubst %,$(O)/tests/%/%,$(ONLY)),$(TEST_BIN)),$(TEST_BIN))

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.PHONY: all help deps demo test unit unit-build lint lint-test format coverage install uninstall flags clean

help: ## this list
	@echo "Targets (BUILD=release|debug|asan|tsan|cover, CC=gcc|clang):"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# ---- for people: each of these installs what it needs first.  The rest runs in a make of its own, because what
# pkg-config says is read when a make starts.
deps: ## install what is missing to build and to test (apt-get, npm)
	@scripts/deps.sh build test

demo: ## install, build, scaffold an app, serve it, send requests, show the metrics
	@scripts/deps.sh build
	+@$(SUBMAKE) BUILD=release all
	@scripts/demo.sh $(CURDIR)/build/release/bin/actix

test: ## every test: unit (plain, address and thread sanitizer), JavaScript, integration
	@scripts/deps.sh build test
	+@MAKE_COMMAND='$(SUBMAKE)' scripts/test.sh

lint: ## layers, banned functions, sizes, symbols, format, static analysis
	@scripts/deps.sh build test lint
	+@$(SUBMAKE) BUILD=release all
	@scripts/lint.sh

lint-test: ## show that each rule of lint can fail
	@tests/lint_test.sh

coverage: ## line coverage of server/ and config/ by all tests; fails under 85 %
	@scripts/deps.sh build test
	+@MAKE_COMMAND='$(SUBMAKE)' scripts/coverage.sh

# ---- what is built
all: $(O)/bin/actix $(O)/lib/actix/addon/actix.node $(O)/.assets ## build everything into build/BUILD (the default)

# Other flags or another compiler: everything is compiled anew.
FLAGS := $(CC) $(CPPFLAGS) $(PKG_CFLAGS) $(CFLAGS) $(LDFLAGS) $(NODE_INC)
ifneq ($(filter-out help deps demo test lint lint-test format coverage clean uninstall flags,$(or $(MAKECMDGOALS),all)),)
$(shell mkdir -p $(O))
ifneq ($(strip $(file <$(O)/.flags)),$(strip $(FLAGS)))
$(file >$(O)/.flags,$(FLAGS))
endif
endif
$(O)/.flags: ;

$(O)/bin/actix: $(call obj,cli/main.c) $(O)/libactix.a
	@mkdir -p $(@D)
	@echo '  LINK $@'
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(PKG_LIBS)

$(O)/libactix.a: $(HOST_OBJ) $(CORE_OBJ)
	@rm -f $@
	@echo '  AR   $@'
	$(Q)ar rcs $@ $^

$(O)/lib/actix/addon/actix.node: $(call obj,$(ADDON_SRC)) $(CORE_OBJ) addon/exports.map
	@mkdir -p $(@D)
	@echo '  LINK $@'
	$(Q)$(CC) -shared $(LDFLAGS) -Wl,--version-script=addon/exports.map -o $@ $(filter %.o,$^) -lpthread

$(O)/.assets: $(JS_FILES) $(TEMPLATES) $(wildcard config/*.json)
	@mkdir -p $(O)/lib/actix/addon $(O)/share/actix
	@echo '  COPY $(O)/lib/actix/addon $(O)/share/actix'
	$(Q)cp -p $(JS_FILES) $(O)/lib/actix/addon/
	$(Q)rm -rf $(O)/share/actix/templates && cp -Rp templates $(O)/share/actix/templates
	$(Q)cp -p $(wildcard config/*.json) $(O)/share/actix/
	@touch $@

$(O)/obj/llhttp/%.o: /usr/share/llhttp/%.c $(O)/.flags
	@mkdir -p $(@D)
	@echo '  CC   $<'
	$(Q)$(CC) $(filter-out -W%,$(CFLAGS)) -w $(LLHTTP_INC) -DLLHTTP_STRICT_MODE=1 -c -o $@ $<

$(O)/obj/addon/%.o: addon/%.c $(O)/.flags
	@mkdir -p $(@D)
	@echo '  CC   $<'
	$(Q)$(CC) $(CPPFLAGS) -DNAPI_VERSION=8 $(addprefix -idirafter,$(NODE_INC)) $(CFLAGS) -c -o $@ $<

$(O)/obj/%.o: %.c $(O)/.flags
	@mkdir -p $(@D)
	@echo '  CC   $<'
	$(Q)$(CC) $(CPPFLAGS) $(LLHTTP_INC) $(PKG_CFLAGS) $(CFLAGS) -c -o $@ $<

# ---- unit tests: one cmocka program per source file, tests/unit/ mirrors the tree
unit: $(UNIT_BIN) ## build and run the C unit tests (ONLY="net metrics": of those folders)
	@tests/run-unit $(UNIT_BIN)

unit-build: $(UNIT_BIN)

$(O)/tests/%: tests/unit/%.c $(O)/libactix.a
	@mkdir -p $(@D)
	@echo '  LINK $@'
	$(Q)$(CC) $(CPPFLAGS) $(LLHTTP_INC) $(PKG_CFLAGS) -Itests/unit $(filter-out -Wmissing-prototypes,$(CFLAGS)) $(LDFLAGS) -o $@ $< $(O)/libactix.a $(PKG_LIBS) -lcmocka

include bench/bench.mk

format: ## let clang-format write all C files
	@clang-format -i $$(scripts/sources.sh c)

# ---- install: the same tree under $(DESTDIR)$(PREFIX)
ROOT = $(DESTDIR)$(PREFIX)
install: all ## install under DESTDIR PREFIX (/usr/local)
	install -d $(ROOT)/bin $(ROOT)/lib/actix/addon $(ROOT)/share/actix $(ROOT)/share/doc/actix/docs
	install -m 755 $(O)/bin/actix $(ROOT)/bin/actix
	install -m 644 $(O)/lib/actix/addon/actix.node $(JS_FILES) $(ROOT)/lib/actix/addon/
	rm -rf $(ROOT)/share/actix/templates
	cp -R templates $(ROOT)/share/actix/templates
	install -m 644 $(wildcard config/*.json) $(ROOT)/share/actix/
	install -m 644 LICENSE README.md CHANGELOG.md $(ROOT)/share/doc/actix/
	install -m 644 $(wildcard docs/*.md) $(ROOT)/share/doc/actix/docs/

uninstall: ## remove what install put there
	rm -f $(ROOT)/bin/actix
	rm -rf $(ROOT)/lib/actix $(ROOT)/share/actix $(ROOT)/share/doc/actix

# What clang-tidy compiles with.
flags:
	@echo $(CPPFLAGS) $(LLHTTP_INC) $(PKG_CFLAGS) -DNAPI_VERSION=8 $(addprefix -idirafter,$(NODE_INC)) -std=c11 $(filter -DAX%,$(KIND_FLAGS))

clean: ## remove build/
	rm -rf build

-include $(shell find $(O) -name '*.d' 2>/dev/null)
