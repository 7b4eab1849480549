# All the entry points; `make help` lists them.  Sources are found by wildcard: there is no second list.
BUILD  ?= release
PREFIX ?= /usr/local
CC     ?= gcc
VERSION := $(shell cat VERSION)

O    := build/$(BUILD)
NODE ?= node

# ---- flags by build kind
WARN   := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wpointer-arith -Wcast-qual \
          -Wwrite-strings -Wformat=2 -Wundef
OPT_release := -O2 -g -fno-plt -DNDEBUG
OPT_debug   := -O0 -g3 -DAX_DEBUG
OPT_asan    := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -DAX_DEBUG -DAX_POOL_MALLOC
OPT_tsan    := -O1 -g -fsanitize=thread -fno-omit-frame-pointer -DAX_DEBUG -DAX_POOL_MALLOC
OPT_cover   := -O0 -g --coverage -fprofile-update=atomic -DAX_DEBUG
ifeq ($(OPT_$(BUILD)),)
$(error BUILD=$(BUILD) is none of release debug asan tsan cover)
endif
# No fortify under sanitizers: it hides what they look for.
HARDEN_release := -fstack-protector-strong -D_FORTIFY_SOURCE=2
CPPFLAGS += -D_GNU_SOURCE -Iserver -I. -DAX_VERSION='"$(VERSION)"' $(HARDEN_$(BUILD))
CFLAGS   += -std=c11 -fPIC -fvisibility=hidden -MMD -MP $(WARN) $(OPT_$(BUILD))
LDFLAGS  += $(filter -fsanitize% --coverage,$(OPT_$(BUILD)))

# ---- libraries
PKGS       := libuv yaml-0.1 sqlite3 jansson smartcols
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS   := $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lpthread
LLHTTP_SRC := $(wildcard /usr/share/llhttp/*.c)
LLHTTP_INC := -I/usr/share/include/llhttp
NODE_INC   := $(firstword $(wildcard node_modules/node-api-headers/include) \
              $(shell $(NODE) -p 'require("path").resolve(process.execPath, "../../include/node")' 2>/dev/null))

# ---- sources
CORE_SRC  := $(filter-out server/metrics/store%,$(wildcard server/base/*.c server/http/*.c server/net/*.c server/metrics/*.c))
HOST_SRC  := $(wildcard server/metrics/store*.c config/*.c server/supervisor/*.c) $(filter-out cli/main.c,$(wildcard cli/*.c))
ADDON_SRC := $(wildcard addon/*.c)
TEST_SRC  := $(wildcard tests/unit/*/*_test.c tests/unit/*/*/*_test.c)
JS_FILES  := $(filter-out addon/package-lock.json,$(wildcard addon/*.js addon/*.mjs addon/*.ts addon/*.json))

obj        = $(patsubst %.c,$(O)/obj/%.o,$(1))
LLHTTP_OBJ := $(patsubst /usr/share/llhttp/%.c,$(O)/obj/llhttp/%.o,$(LLHTTP_SRC))
CORE_OBJ   := $(call obj,$(CORE_SRC)) $(LLHTTP_OBJ)
HOST_OBJ   := $(call obj,$(HOST_SRC))
TEST_BIN   := $(patsubst tests/unit/%.c,$(O)/tests/%,$(TEST_SRC))

# ---- what `make` builds: a tree that runs in place and is what `make install` copies
.PHONY: all help clean
.DEFAULT_GOAL := all
all: $(O)/bin/actix $(O)/lib/actix/addon/actix.node $(O)/.assets

$(O)/bin/actix: $(call obj,cli/main.c) $(O)/libactix.a
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(PKG_LIBS)

$(O)/libactix.a: $(HOST_OBJ) $(CORE_OBJ)
	@rm -f $@
	ar rcs $@ $^

$(O)/lib/actix/addon/actix.node: $(call obj,$(ADDON_SRC)) $(CORE_OBJ) addon/exports.map
	@mkdir -p $(@D)
	$(CC) -shared $(LDFLAGS) -Wl,--version-script=addon/exports.map -o $@ $(filter %.o,$^) -lpthread

$(O)/.assets: $(JS_FILES) $(shell find templates -type f 2>/dev/null) $(wildcard config/*.json)
	@mkdir -p $(O)/lib/actix/addon $(O)/share/actix
	cp -p $(JS_FILES) $(O)/lib/actix/addon/
	rm -rf $(O)/share/actix/templates && cp -Rp templates $(O)/share/actix/templates
	cp -p config/*.json $(O)/share/actix/ 2>/dev/null || true
	@touch $@

$(O)/obj/llhttp/%.o: /usr/share/llhttp/%.c
	@mkdir -p $(@D)
	$(CC) $(filter-out -W%,$(CFLAGS)) -w $(LLHTTP_INC) -DLLHTTP_STRICT_MODE=1 -c -o $@ $<

$(O)/obj/addon/%.o: addon/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -DNAPI_VERSION=8 -isystem $(NODE_INC) $(CFLAGS) -c -o $@ $<

$(O)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(LLHTTP_INC) $(PKG_CFLAGS) $(CFLAGS) -c -o $@ $<

# ---- unit tests: one cmocka program per source file, tests/unit/ mirrors the tree
.PHONY: unit
unit: $(TEST_BIN)
	@tests/run-unit $(TEST_BIN)

$(O)/tests/%: tests/unit/%.c $(O)/libactix.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(LLHTTP_INC) $(PKG_CFLAGS) -Itests/unit $(filter-out -Wmissing-prototypes,$(CFLAGS)) $(LDFLAGS) -o $@ $< $(O)/libactix.a $(PKG_LIBS) -lcmocka

clean:
	rm -rf build

-include $(shell find $(O) -name '*.d' 2>/dev/null)
