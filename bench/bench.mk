# Benchmarks; read by the Makefile.  What is measured and how: docs/benchmarks.md.
BENCH_SRC := $(wildcard bench/micro/*_bench.c)
BENCH_BIN := $(patsubst bench/micro/%.c,$(O)/bench/%,$(BENCH_SRC))

.PHONY: bench-micro

bench-micro: $(BENCH_BIN) ## the parts in C: nanoseconds per operation
	@for b in $(BENCH_BIN); do echo "--- $$b"; $$b || exit 1; done

$(O)/bench/%: bench/micro/%.c $(O)/libactix.a
	@mkdir -p $(@D)
	@echo '  LINK $@'
	$(Q)$(CC) $(CPPFLAGS) $(LLHTTP_INC) $(PKG_CFLAGS) $(filter-out -Wmissing-prototypes,$(CFLAGS)) $(LDFLAGS) -o $@ $< $(O)/libactix.a $(PKG_LIBS)
