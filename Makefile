# All the entry points; `make help` lists them.  Sources are found by wildcard: there is no second list.
# `all` builds a tree that runs in place (build/release/bin/actix), and `install` copies it.
#= BUILD=release debug asan tsan cover pgo    what is built, into build/BUILD
#= OUT=build/BUILD                            the tree it is built into
#= CC=gcc clang
#= OPT=-O3 -O0 -O1 -O2 -Os -Og                the optimization level; by build kind
#= MARCH=portable native x86-64-v2 x86-64-v3  which processors it runs on
#= LTO=auto on off                            optimize while linking; auto: where it works
#= STRIP=on off                               symbols in build/BUILD/debug/*.debug, or in the programs
#= ALLOCATOR=default jemalloc mimalloc
#= LIBS=shared static                        static: libuv, libyaml, sqlite3 and jansson inside the program (make npm)
#= POOL=default malloc, INTERN=on off         lower rungs of the benchmark ladder
#= PREFIX=/usr/local DESTDIR= V=0 1
BUILD  ?= release
PREFIX ?= /usr/local
CC     ?= gcc
ifeq ($(origin CC),default)
CC := gcc
endif
NODE   ?= node
VERSION := $(shell cat VERSION)
comma  := ,
hash   := \#

# Where it is built.  OUT=build/NAME lets several configurations live side by side.
OUT ?= build/$(BUILD)
O := $(patsubst %/,%,$(OUT))
# V=1 shows the whole commands.
Q := $(if $(filter 1,$(V)),,@)
# A recipe's own make: as many jobs as there are CPUs, unless -j was given.
SUBMAKE = $(MAKE) --no-print-directory $(if $(filter -j% --jobserver%,$(MAKEFLAGS)),,-j$(shell nproc))

# ---- what may be asked for.  Anything else is refused here, before a compiler says something odd.
KINDS  := release debug asan tsan cover fuzz pgo pgo-gen
MARCHS := portable native $(if $(filter x86_64,$(shell uname -m)),x86-64-v2 x86-64-v3)
# The kinds that ship; the sanitizers bring an allocator of their own, and the others are for looking into.
SHIPS  := $(filter release pgo pgo-gen,$(BUILD))
# OPT=-O1 takes the place of the kind's own level.
OPT    ?= $(LEVEL_$(BUILD))
MARCH  ?= portable
LTO    ?= $(if $(SHIPS),auto,off)
STRIP  ?= $(if $(filter release pgo,$(BUILD)),on,off)
POOL   ?= default
INTERN ?= on
LIBS   ?= shared
ALLOCATOR ?= default
# one-of NAME, ALLOWED: stops unless the variable NAME has one of the ALLOWED values.
one-of = $(if $(and $(filter 1,$(words $($(1)))),$(filter $(2),$($(1)))),,$(error $(1)=$($(1)) is none of: $(2)))
$(call one-of,BUILD,$(KINDS))
$(call one-of,MARCH,$(MARCHS))
$(call one-of,LTO,on off auto)
$(call one-of,STRIP,on off)
$(call one-of,POOL,default malloc)
$(call one-of,INTERN,on off)
$(call one-of,LIBS,shared static)
$(call one-of,ALLOCATOR,default jemalloc mimalloc)
ifneq ($(filter asan tsan fuzz,$(BUILD)),)
ifneq ($(ALLOCATOR),default)
$(error ALLOCATOR=$(ALLOCATOR) does not go with BUILD=$(BUILD): the sanitizer brings its own)
endif
endif
ifeq ($(and $(filter 1,$(words $(O))),$(filter-out . ..,$(O))),)
$(error OUT=$(OUT): a folder of its own is needed, without spaces, like build/NAME)
endif
# What nobody reads is a slip of the fingers.  Only a warning: packagers pass names that other projects know.
KNOWN := BUILD OUT CC OPT MARCH LTO STRIP ALLOCATOR POOL INTERN LIBS PREFIX DESTDIR V NODE ONLY CPPFLAGS CFLAGS LDFLAGS \
         PGO MAINTAINER SOURCE_DATE_EPOCH JSON BENCH_SECONDS PEERS CASES MEASURES ROUNDS SECONDS RESULTS PAGE PAGES SCRIPTS SEED ISOLATION FUZZERS JOBS
ifeq ($(MAKELEVEL),0)
$(foreach v,$(filter-out $(KNOWN),$(.VARIABLES)),$(if $(filter command,$(firstword $(origin $v))),\
  $(warning $v is ignored: nothing here reads it (make help lists the variables))))
endif
# A goal that compiles; the others must work on a machine that lacks what is asked for here.
COMPILES := $(filter-out help deps demo test lint lint-test format coverage pgo verify clean uninstall flags bench bench-ladder chaos chaos-short docs-test fuzz fuzz-short npm npm-test container-test many-test deb rpm man completions packages-tree packages-test,$(or $(MAKECMDGOALS),all))
ifneq ($(COMPILES),)
ifeq ($(shell command -v $(firstword $(CC)) 2>/dev/null),)
$(error CC=$(CC): there is no such compiler here (make deps, or make deps CC=clang, installs one))
endif
endif

# ---- flags by build kind
WARN   := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wpointer-arith -Wcast-qual \
          -Wwrite-strings -Wformat=2 -Wundef
LEVEL_release := -O3
LEVEL_pgo     := -O3
LEVEL_pgo-gen := -O3
LEVEL_debug   := -O0
LEVEL_asan    := -O1
LEVEL_tsan    := -O1
LEVEL_cover   := -O0
LEVEL_fuzz    := -O1
KIND_release := -g -fno-plt -DNDEBUG
KIND_pgo     := $(KIND_release)
KIND_pgo-gen := $(KIND_release)
KIND_debug   := -g3 -DAX_DEBUG
KIND_asan    := -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -DAX_DEBUG -DAX_POOL_MALLOC
KIND_tsan    := -g -fsanitize=thread -fno-omit-frame-pointer -DAX_DEBUG -DAX_POOL_MALLOC
KIND_fuzz    := -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -DAX_DEBUG -DAX_POOL_MALLOC
KIND_cover   := -g --coverage -fprofile-update=atomic -DAX_DEBUG
$(call one-of,OPT,-O0 -O1 -O2 -O3 -Os -Og)
ARCH_FLAG  := $(if $(filter-out portable,$(MARCH)),-march=$(MARCH))
CLANG := $(if $(COMPILES)$(filter verify,$(MAKECMDGOALS)),$(findstring clang,$(shell $(CC) --version 2>/dev/null)))
# gcc clears and copies what has 64 to 256 bytes with `rep stos` and `rep movs`, which need 30 cycles to get going: 5 %
# of a pipelined request.
X86_64     := $(if $(COMPILES),$(filter x86_64%,$(shell $(CC) -dumpmachine 2>/dev/null)))
TUNE_FLAG  := $(if $(CLANG),,$(if $(X86_64),$(foreach f,memset memcpy,-m$f-strategy=vector_loop:256:noalign$(comma)libcall:-1:noalign)))
# The lower rungs of the benchmark ladder: each object from malloc, each string made anew.
RUNG_FLAGS := $(if $(filter malloc,$(POOL)),-DAX_POOL_MALLOC) $(if $(filter off,$(INTERN)),-DAX_NO_INTERN)
KIND_FLAGS := $(KIND_$(BUILD)) $(filter-out $(KIND_$(BUILD)),$(RUNG_FLAGS))
# No fortify under sanitizers: it hides what they look for; nor without optimization: glibc warns.
HARDEN := $(if $(SHIPS),-fstack-protector-strong $(if $(filter -O0,$(OPT)),,-D_FORTIFY_SOURCE=2))
CPPFLAGS += -D_GNU_SOURCE -Iserver -I. -DAX_VERSION='"$(VERSION)"' $(HARDEN)
# The flags are recorded in the debug information: what `make verify` reads.
CFLAGS   += -std=c11 -fPIC -fvisibility=hidden -MMD -MP -grecord-gcc-switches $(WARN) $(OPT) $(ARCH_FLAG) $(TUNE_FLAG) $(KIND_FLAGS)
LDFLAGS  += $(filter -fsanitize% --coverage,$(KIND_$(BUILD))) $(if $(SHIPS),-Wl$(comma)-z$(comma)relro$(comma)-z$(comma)now)

# ---- what the two products alone are compiled with, in objects of their own: tests and benchmarks link the plain ones
# of libactix.a, and need neither link-time optimization nor a profile.
# clang's intermediate code is for its own linker; GNU ld reads it only with a plugin that may not be there.
CLANG_LTO := -flto -fuse-ld=lld
LTO_WORKS  = $(shell echo 'int main(void){return 0;}' | $(CC) $(CLANG_LTO) -x c - -o /dev/null 2>/dev/null && echo on)
ifeq ($(LTO),auto)
override LTO := $(if $(CLANG),$(or $(LTO_WORKS),off),on)
endif
LTO_FLAGS := $(if $(filter on,$(LTO)),$(if $(CLANG),$(CLANG_LTO),-flto=auto))
# The profile of `make pgo`: gcc's lies beside each object, clang's in one file.  What it lacks is no error: every
# other kind has the same warnings as errors.
PROFILE   := $(O)-gen
PROFDATA  := $(PROFILE)/all.profdata
PGO_pgo-gen := $(if $(CLANG),-fprofile-instr-generate,-fprofile-generate -fprofile-update=prefer-atomic)
PGO_pgo     := $(if $(CLANG),-fprofile-instr-use=$(PROFDATA) -Wno-profile-instr-out-of-date -Wno-profile-instr-unprofiled,-fprofile-use -fprofile-partial-training -fprofile-correction -Wno-missing-profile -Wno-error)
PGO_FLAGS   := $(PGO_$(BUILD))
PRODUCT_CFLAGS  := $(if $(CLANG),$(filter-out -fuse-ld=%,$(LTO_FLAGS)),$(LTO_FLAGS)) $(PGO_FLAGS)
# gcc optimizes while it links: it needs the flags again.
PRODUCT_LDFLAGS := $(LTO_FLAGS) $(filter-out -W%,$(PGO_FLAGS)) $(if $(filter on,$(LTO)),$(OPT) $(ARCH_FLAG) $(TUNE_FLAG) -fPIC -g)

# ---- libraries
PKGS       := libuv yaml-0.1 sqlite3 jansson smartcols
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
# libsmartcols has no static library in Debian; each Linux with glibc has it, as part of util-linux.
LIBS_shared := $(shell pkg-config --libs $(PKGS) 2>/dev/null)
# `actix version` finds by name what the libraries say of themselves: that must be linked, and found.
TELL := uv_version_string yaml_get_version_string sqlite3_libversion jansson_version_str
LIBS_static := $(foreach f,$(TELL),-Wl$(comma)-u$(comma)$f -Wl$(comma)--export-dynamic-symbol=$f) \
               -Wl,-Bstatic -luv_a -lyaml -lsqlite3 -ljansson -Wl,-Bdynamic -lsmartcols -lm
PKG_LIBS   := $(LIBS_$(LIBS)) -lpthread
# The allocator's own entry points are called, and malloc must stay libc's for everybody else: libc is searched first.
ifneq ($(ALLOCATOR),default)
PACKAGE := lib$(ALLOCATOR)-dev
ifneq ($(COMPILES),)
ifneq ($(shell echo '$(hash)include <$(ALLOCATOR:jemalloc=jemalloc/jemalloc).h>' | $(CC) -E -x c - 2>/dev/null >/dev/null && echo there),there)
$(error ALLOCATOR=$(ALLOCATOR) needs the library: apt-get install $(PACKAGE), or make deps ALLOCATOR=$(ALLOCATOR))
endif
endif
CPPFLAGS += -DAX_ALLOC_$(if $(filter jemalloc,$(ALLOCATOR)),JEMALLOC,MIMALLOC)
ALLOC_LIBS := -Wl,--no-as-needed -lc -l$(ALLOCATOR)
PKG_LIBS   += $(ALLOC_LIBS)
# The library frees what is a thread's when it ends: it must still be there.  jemalloc is not linked to the addon but
# opened by it (server/base/alloc.h says why).
ADDON_LIBS := $(if $(filter mimalloc,$(ALLOCATOR)),$(ALLOC_LIBS)) -Wl,-z,nodelete
endif
LLHTTP_SRC := $(wildcard /usr/share/llhttp/*.c)
LLHTTP_INC := -I/usr/share/include/llhttp
# The oldest that has everything the addon calls, and Node 18 has it: one addon for every Node.  The only place that says so.
NAPI_VERSION := 8
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
# The plain objects where the products are compiled no other way.
PRODUCT    := $(if $(strip $(PRODUCT_CFLAGS)),product,obj)
product    = $(patsubst $(O)/obj/%,$(O)/$(PRODUCT)/%,$(1))
TEST_BIN   := $(patsubst tests/unit/%.c,$(O)/tests/%,$(TEST_SRC))
# ONLY="net metrics" keeps the unit tests of those folders.
ONLY       ?=
UNIT_BIN   := $(if $(ONLY),$(filter $(patsubst %,$(O)/tests/%/%,$(ONLY)),$(TEST_BIN)),$(TEST_BIN))

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.PHONY: all help deps demo test unit unit-build lint lint-test format coverage pgo verify install uninstall flags clean

help: ## this list
	@echo "Targets:"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-13s %s\n", $$1, $$2 }' $(filter-out %.d,$(MAKEFILE_LIST))
	@echo "Variables (the first value is the default):"
	@awk -F '#= ' '/^#= / { print "  " $$2 }' $(filter-out %.d,$(MAKEFILE_LIST))

# ---- for people: each of these installs what it needs first.  The rest runs in a make of its own, because what
# pkg-config says is read when a make starts.
deps: ## install what is missing to build and to test (apt-get, npm)
	@scripts/deps.sh build test $(filter-out default,$(ALLOCATOR))

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

coverage: ## line coverage of server/ and config/ by the tests that run them; fails under 85 %
	@scripts/deps.sh build test
	+@MAKE_COMMAND='$(SUBMAKE)' scripts/coverage.sh

# ---- what is built
all: $(O)/bin/actix $(O)/lib/actix/addon/actix.node $(O)/.assets ## build everything into build/BUILD (the default)

# What is compiled into both products: server/base/build.h.
FACTS = -DAX_BUILD_KIND='"$(BUILD)"' -DAX_BUILD_OPT='"$(OPT)"' -DAX_BUILD_MARCH='"$(MARCH)"' \
        -DAX_BUILD_STRIP='"$(STRIP)"' -DAX_BUILD_POOL='"$(POOL)"' -DAX_BUILD_INTERN='"$(INTERN)"' \
        -DAX_BUILD_LTO='"$(if $(filter -flto%,$(1)),on,off)"' \
        -DAX_BUILD_PGO='"$(if $(filter -fprofile-use -fprofile-instr-use=%,$(1)),on,$(if $(filter -fprofile%,$(1)),training,off))"' \
        -DAX_BUILD_FLAGS='"$(strip $(filter-out -W% -M% -ffile-prefix-map=%,$(CFLAGS)) $(HARDEN) $(filter-out -W%,$(1)))"'

# Other flags or another compiler: everything is compiled anew.
FLAGS := $(CC) $(CPPFLAGS) $(PKG_CFLAGS) $(CFLAGS) $(LDFLAGS) $(PKG_LIBS) $(NODE_INC) $(call FACTS,$(PRODUCT_CFLAGS))
ifneq ($(COMPILES),)
$(shell mkdir -p $(O))
ifneq ($(strip $(file <$(O)/.flags)),$(strip $(FLAGS)))
$(file >$(O)/.flags,$(FLAGS))
endif
endif
$(O)/.flags: ;

# The symbols go to a file of their own, which a debugger finds by the name left behind: gnu_debuglink.
SPLIT = $(if $(filter on,$(STRIP)),mkdir -p $(O)/debug && objcopy --only-keep-debug $@ $(O)/debug/$(@F).debug && chmod 644 $(O)/debug/$(@F).debug && strip $@ && \
        objcopy --add-gnu-debuglink=$(O)/debug/$(@F).debug $@,rm -f $(O)/debug/$(@F).debug)

$(O)/bin/actix: $(call product,$(call obj,cli/main.c) $(HOST_OBJ) $(CORE_OBJ)) $(O)/.flags
	@mkdir -p $(@D)
	@echo '  LINK $@'
	$(Q)$(CC) $(LDFLAGS) $(PRODUCT_LDFLAGS) -o $@ $(filter %.o,$^) $(PKG_LIBS)
	$(Q)$(SPLIT)

$(O)/libactix.a: $(HOST_OBJ) $(CORE_OBJ)
	@rm -f $@
	@echo '  AR   $@'
	$(Q)ar rcs $@ $^

$(O)/lib/actix/addon/actix.node: $(call product,$(call obj,$(ADDON_SRC)) $(CORE_OBJ)) addon/exports.map $(O)/.flags
	@mkdir -p $(@D)
	@echo '  LINK $@'
	$(Q)$(CC) -shared $(LDFLAGS) $(PRODUCT_LDFLAGS) -Wl,--version-script=addon/exports.map -o $@ $(filter %.o,$^) -lpthread $(ADDON_LIBS)
	$(Q)$(SPLIT)

$(O)/.assets: $(JS_FILES) $(TEMPLATES) $(wildcard config/*.json)
	@mkdir -p $(O)/lib/actix/addon $(O)/share/actix
	@echo '  COPY $(O)/lib/actix/addon $(O)/share/actix'
	$(Q)cp -p $(JS_FILES) $(O)/lib/actix/addon/
	$(Q)rm -rf $(O)/share/actix/templates && cp -Rp templates $(O)/share/actix/templates
	$(Q)cp -p $(wildcard config/*.json) $(O)/share/actix/
	@touch $@

# The profile that training has left for an object: gcc looks for it beside the object.
TAKE_PROFILE = $(if $(filter pgo,$(BUILD)),rm -f $(@:.o=.gcda); if [ -f $(PROFILE)/$(@:$(O)/%.o=%.gcda) ]; then cp $(PROFILE)/$(@:$(O)/%.o=%.gcda) $(@:.o=.gcda); fi,:)
TRAINED      := $(if $(filter pgo,$(BUILD)),$(PROFILE)/.trained)

# objects-in FOLDER, FLAGS: how the objects there are compiled.
define objects-in
$(O)/$(1)/llhttp/%.o: /usr/share/llhttp/%.c $(O)/.flags $(TRAINED)
	@mkdir -p $$(@D)
	@echo '  CC   $$<'
	$$(Q)$$(TAKE_PROFILE)
	$$(Q)$$(CC) $$(filter-out -W%,$$(CFLAGS)) $(2) -w $$(LLHTTP_INC) -DLLHTTP_STRICT_MODE=1 -c -o $$@ $$<

$(O)/$(1)/addon/%.o: addon/%.c $(O)/.flags $(TRAINED)
	@mkdir -p $$(@D)
	@echo '  CC   $$<'
	$$(Q)$$(TAKE_PROFILE)
	$$(Q)$$(CC) $$(CPPFLAGS) -DNAPI_VERSION=$$(NAPI_VERSION) $$(addprefix -idirafter,$$(NODE_INC)) $$(CFLAGS) $(2) -c -o $$@ $$<

$(O)/$(1)/server/base/build.o: CPPFLAGS += $$(call FACTS,$(2))
$(O)/$(1)/%.o: %.c $(O)/.flags $(TRAINED)
	@mkdir -p $$(@D)
	@echo '  CC   $$<'
	$$(Q)$$(TAKE_PROFILE)
	$$(Q)$$(CC) $$(CPPFLAGS) $$(LLHTTP_INC) $$(PKG_CFLAGS) $$(CFLAGS) $(2) -c -o $$@ $$<
endef
$(eval $(call objects-in,obj))
$(eval $(call objects-in,product,$$(PRODUCT_CFLAGS)))
$(if $(TRAINED),$(eval $(TRAINED): ; @echo "BUILD=pgo needs a profile: run make pgo" >&2; exit 1))

# ---- unit tests: one cmocka program per source file, tests/unit/ mirrors the tree
unit: $(UNIT_BIN) ## build and run the C unit tests (ONLY="net metrics": of those folders)
	@tests/run-unit $(UNIT_BIN)

unit-build: $(UNIT_BIN)

$(O)/tests/%: tests/unit/%.c $(O)/libactix.a
	@mkdir -p $(@D)
	@echo '  LINK $@'
	$(Q)$(CC) $(CPPFLAGS) $(LLHTTP_INC) $(PKG_CFLAGS) -Itests/unit $(filter-out -Wmissing-prototypes,$(CFLAGS)) $(LDFLAGS) -o $@ $< $(O)/libactix.a $(PKG_LIBS) -lcmocka

include bench/bench.mk
include tests/browser/browser.mk
include tests/chaos/chaos.mk
include tests/docs/docs.mk
include tests/fuzz/fuzz.mk
include packaging/npm.mk
include tests/many/many.mk
include packaging/packaging.mk

format: ## let clang-format write all C files
	@clang-format -i $$(scripts/sources.sh c)

# ---- profile-guided: an instrumented tree, trained, and the tree that is compiled by what was seen
PGO_TREE := $(if $(filter file,$(origin OUT)),build/pgo,$(O))
pgo: ## build with the profile of a training run into build/pgo; then make BUILD=pgo install
	@scripts/deps.sh build $(filter-out default,$(ALLOCATOR))
	+@$(SUBMAKE) BUILD=pgo-gen OUT=$(PGO_TREE)-gen STRIP=off all $(PGO_TREE)-gen/bench/loader
	@CC='$(CC)' scripts/pgo.sh $(PGO_TREE)-gen
	+@$(SUBMAKE) BUILD=pgo OUT=$(PGO_TREE) all
	@echo 'profile-guided build: $(PGO_TREE)/bin/actix'

# What is there is not built anew: it would always be what was asked for.
verify: ## show what was built and fail if it is not what BUILD, MARCH, LTO … ask for
	+@[ -f $(O)/lib/actix/addon/actix.node ] || $(SUBMAKE) all
	@scripts/verify.sh $(O) BUILD=$(BUILD) OPT=$(OPT) MARCH=$(MARCH) LTO=$(LTO) STRIP=$(STRIP) ALLOCATOR=$(ALLOCATOR) \
  POOL=$(POOL) INTERN=$(INTERN) COMPILER=$(if $(CLANG)$(findstring clang,$(CC)),clang,gcc)

# ---- install: the same tree under $(DESTDIR)$(PREFIX)
ROOT = $(DESTDIR)$(PREFIX)
install: all ## install under DESTDIR PREFIX (/usr/local)
	install -d $(ROOT)/bin $(ROOT)/lib/actix/addon $(ROOT)/share/actix $(ROOT)/share/doc/actix/docs
	install -m 755 $(O)/bin/actix $(ROOT)/bin/actix
	install -m 644 $(O)/lib/actix/addon/actix.node $(JS_FILES) $(ROOT)/lib/actix/addon/
	rm -rf $(ROOT)/share/actix/templates
	cp -R templates $(ROOT)/share/actix/templates
	install -m 644 $(wildcard config/*.json) $(ROOT)/share/actix/
	install -m 644 LICENSE README.md CHANGELOG.md SECURITY.md $(ROOT)/share/doc/actix/
	install -m 644 $(wildcard docs/*.md) $(ROOT)/share/doc/actix/docs/

uninstall: ## remove what install put there
	rm -f $(ROOT)/bin/actix
	rm -rf $(ROOT)/lib/actix $(ROOT)/share/actix $(ROOT)/share/doc/actix

# What clang-tidy compiles with.
flags:
	@echo $(CPPFLAGS) $(LLHTTP_INC) $(PKG_CFLAGS) -DNAPI_VERSION=$(NAPI_VERSION) $(addprefix -idirafter,$(NODE_INC)) -std=c11 $(filter -DAX%,$(KIND_FLAGS))

clean: ## remove build/
	rm -rf build

-include $(shell find $(O) -name '*.d' 2>/dev/null)
