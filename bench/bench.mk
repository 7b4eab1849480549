# Benchmarks; read by the Makefile.  What is measured and how: docs/benchmarks.md.  `all` builds none of these.

# ---- the programs that the comparisons are made with: load generator, bare epoll loop, yardstick
LOADER_SRC := $(wildcard bench/loader/*.c)
LIMIT_SRC  := $(wildcard bench/limit/*.c)
BENCH_LINK  = $(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o %.a,$^) $(PKG_LIBS)

.PHONY: bench-tools bench-micro

bench-tools: $(O)/bench/loader $(O)/bench/limit $(O)/bench/yardstick/yardstick.node $(O)/bench/yardstick/server.js ## load generator, bare epoll loop and yardstick

$(O)/bench/loader: $(call obj,$(LOADER_SRC)) $(O)/libactix.a
	@mkdir -p $(@D)
	@echo '  LINK $@'
	$(Q)$(BENCH_LINK)

$(O)/bench/limit: $(call obj,$(LIMIT_SRC)) $(O)/libactix.a
	@mkdir -p $(@D)
	@echo '  LINK $@'
	$(Q)$(BENCH_LINK)

# A measure must not change with the build: always the same flags.
YARD      := $(O)/bench/yardstick
YARD_FAST := -std=c11 -O3 -flto -DNDEBUG -fPIC -fvisibility=hidden -DLLHTTP_STRICT_MODE=1 -MMD -MP
YARD_OBJ  := $(patsubst %.c,$(YARD)/obj/%.o,$(wildcard bench/yardstick/*.c) server/base/assert.c)
YARD_PARSER := $(patsubst /usr/share/llhttp/%.c,$(YARD)/obj/llhttp/%.o,$(LLHTTP_SRC))

$(YARD)/yardstick.node: $(YARD_OBJ) $(YARD_PARSER)
	@echo '  LINK $@'
	$(Q)$(CC) -shared $(YARD_FAST) -o $@ $^

$(YARD)/obj/llhttp/%.o: /usr/share/llhttp/%.c bench/bench.mk
	@mkdir -p $(@D)
	$(Q)$(CC) -w $(YARD_FAST) $(LLHTTP_INC) -c -o $@ $<

$(YARD)/obj/%.o: %.c bench/bench.mk
	@mkdir -p $(@D)
	@echo '  CC   $<'
	$(Q)$(CC) -D_GNU_SOURCE -Iserver -DNAPI_VERSION=$(NAPI_VERSION) $(LLHTTP_INC) $(addprefix -idirafter,$(NODE_INC)) $(filter-out -Wmissing-prototypes,$(WARN)) $(YARD_FAST) -c -o $@ $<

$(YARD)/server.js: bench/yardstick/server.js
	@mkdir -p $(@D)
	$(Q)cp $< $@

# ---- the parts in C
BENCH_SRC := $(wildcard bench/micro/*_bench.c)
BENCH_BIN := $(patsubst bench/micro/%.c,$(O)/bench/%,$(BENCH_SRC))

# JSON=1: a line of JSON a row.  BENCH_SECONDS: time for a row.
bench-micro: $(BENCH_BIN) ## the parts in C: nanoseconds per operation (JSON=1 BENCH_SECONDS=)
	@for b in $(BENCH_BIN); do $$b $(if $(filter 1,$(JSON)),--json) $(if $(BENCH_SECONDS),--seconds $(BENCH_SECONDS)) || exit 1; $(if $(filter 1,$(JSON)),,echo;) done

$(BENCH_BIN): $(O)/bench/%: bench/micro/%.c $(O)/libactix.a
	@mkdir -p $(@D)
	@echo '  LINK $@'
	$(Q)$(CC) $(CPPFLAGS) $(LLHTTP_INC) $(PKG_CFLAGS) $(filter-out -Wmissing-prototypes,$(CFLAGS)) $(LDFLAGS) -o $@ $< $(O)/libactix.a $(PKG_LIBS)

.PHONY: bench-request

bench-request: all ## reading a request in JavaScript: nanoseconds per operation (JSON=1)
	@$(NODE) bench/micro/request_bench.js $(if $(filter 1,$(JSON)),--json) $(O)/lib/actix/addon

# ---- the whole: bench/load says what the variables mean; without them everything is measured
BENCH_RUN = $(NODE) bench/load/$(1).mjs --out '$(O)' --rounds '$(ROUNDS)' --seconds '$(SECONDS)' --cases '$(CASES)' \
            --results '$(RESULTS)' --docs docs/benchmarks.md

.PHONY: bench bench-ladder

bench: ## this server beside its peers: bench/results/latest.* (PEERS= CASES= MEASURES= ROUNDS=5 SECONDS=2 RESULTS= PAGE=)
	@scripts/deps.sh build
	+@$(SUBMAKE) all bench-tools
	+@$(if $(PAGE),,$(if $(filter actix-pgo,$(or $(subst $(comma), ,$(PEERS)),actix-pgo)),$(SUBMAKE) pgo))
	@$(call BENCH_RUN,compare) --peers '$(PEERS)' --measures '$(MEASURES)' --page '$(PAGE)'

bench-ladder: ## the optimization guide's stages one after the other: bench/results/ladder.* (CASES= ROUNDS=5 SECONDS=2 RESULTS=)
	@scripts/deps.sh build
	+@$(SUBMAKE) all bench-tools
	@$(call BENCH_RUN,ladder)
