# Fuzzers; read by the Makefile.  tests/fuzz/README.md says what each one holds to be true.  They need clang, whose
# libFuzzer they are linked with; `all` builds none of these.
FUZZ_ALL := $(sort $(patsubst tests/fuzz/%_fuzz.c,%,$(wildcard tests/fuzz/*_fuzz.c)))
FUZZERS  ?=
FUZZ     := $(if $(FUZZERS),$(subst $(comma), ,$(FUZZERS)),$(FUZZ_ALL))
FUZZ_BIN := $(FUZZ:%=$(O)/fuzz/%)
FUZZ_MAKE = $(SUBMAKE) BUILD=fuzz CC=$(if $(findstring clang,$(CC)),$(CC),clang) $(if $(filter file,$(origin OUT)),,OUT=$(OUT)) FUZZERS='$(FUZZERS)'
FUZZ_TREE = $(if $(filter file,$(origin OUT)),build/fuzz,$(O))

.PHONY: fuzz fuzz-short fuzz-build

fuzz: ## each fuzzer in turn, under sanitizers (FUZZERS=head,conn SECONDS=600 each, JOBS=1)
	@CC=$(if $(findstring clang,$(CC)),$(CC),clang) scripts/deps.sh build test
	+@$(FUZZ_MAKE) fuzz-build
	@tests/fuzz/run.sh $(FUZZ_TREE)/fuzz $(or $(SECONDS),600) $(or $(JOBS),1) $(FUZZ)

fuzz-short: ## each fuzzer over its corpus and for 2 seconds more
	@CC=$(if $(findstring clang,$(CC)),$(CC),clang) scripts/deps.sh build test
	+@$(FUZZ_MAKE) fuzz-build
	@tests/fuzz/run.sh $(FUZZ_TREE)/fuzz $(or $(SECONDS),2) $(or $(JOBS),1) $(FUZZ)

fuzz-build: $(FUZZ_BIN)

$(O)/fuzz/%: tests/fuzz/%_fuzz.c $(O)/libactix.a
	@mkdir -p $(@D)
	@echo '  LINK $@'
	$(Q)$(CC) $(CPPFLAGS) $(LLHTTP_INC) $(PKG_CFLAGS) $(filter-out -Wmissing-prototypes,$(CFLAGS)) $(LDFLAGS) -fsanitize=fuzzer -o $@ $< $(O)/libactix.a $(PKG_LIBS)
