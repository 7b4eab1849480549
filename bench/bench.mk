# Benchmarks; read by the Makefile.  What is measured and how: docs/benchmarks.md.  `all` builds none of these.

# ---- the programs that the comparisons are made with: load generator, bare epoll loop, yardstick
LOADER_SRC := $(wildcard bench/loader/*.c)
LIMIT_SRC  := $(wildcard bench/limit/*.c)
BENCH_LINK  = $(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o %.a,$^) $(PKG_LIBS)

.PHONY: bench-tools bench-micro

bench-tools: $(O)/bench/loader $(O)/bench/limit ## load generator, bare epoll loop and yardstick

$(O)/bench/loader: $(call obj,$(LOADER_SRC)) $(O)/libactix.a
	@mkdir -p $(@D)
	@echo '  LINK $@'
	$(Q)$(BENCH_LINK)

$(O)/bench/limit: $(call obj,$(LIMIT_SRC)) $(O)/libactix.a
	@mkdir -p $(@D)
	@echo '  LINK $@'
	$(Q)$(BENCH_LINK)

# ---- the parts in C
BENCH_SRC := $(wildcard bench/micro/*_bench.c)
BENCH_BIN := $(patsubst bench/micro/%.c,$(O)/bench/%,$(BENCH_SRC))

bench-micro: $(BENCH_BIN) ## the parts in C: nanoseconds per operation
	@for b in $(BENCH_BIN); do echo "--- $$b"; $$b || exit 1; done

$(BENCH_BIN): $(O)/bench/%: bench/micro/%.c $(O)/libactix.a
	@mkdir -p $(@D)
	@echo '  LINK $@'
	$(Q)$(CC) $(CPPFLAGS) $(LLHTTP_INC) $(PKG_CFLAGS) $(filter-out -Wmissing-prototypes,$(CFLAGS)) $(LDFLAGS) -o $@ $< $(O)/libactix.a $(PKG_LIBS)
