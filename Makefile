# SPDX-License-Identifier: GPL-2.0-or-later
#
# make            programs in build/bin          make check      unit, resolver and command line tests
# make SAN=1      the same with ASan and UBSan   make lint       style, layers, headers, static analysis
# make deps       what building needs (Debian)   make install    DESTDIR= PREFIX=/usr/local
# make bench      comparisons, as ratios         make acceptance the full counts
#
# A folder is a layer; it may include the layers before it in LAYERS (tests/lint/layers proves it), and
# is one archive. B= puts everything that is made somewhere else.

B ?= build
PREFIX ?= /usr/local
CC ?= cc
VERSION := 0.1.0

LAYERS := base image runtime runtime/net runtime/guest runtime/config runtime/area runtime/life \
	runtime/access vzpkg/fetch vzpkg vzpkg/metadata vzpkg/resolve vzpkg/cache vzpkg/install

PKGS := jansson libgcrypt libarchive libdeflate libseccomp libcurl gpgme libsolv libsolvext liblzma zlib
CPPFLAGS += -I. -D_GNU_SOURCE -DVERSION='"$(VERSION)"' -include base/banned.h \
	$(shell pkg-config --cflags $(PKGS))
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla \
	-Wformat=2 -Wundef -Wwrite-strings -Wno-missing-field-initializers
CFLAGS ?= -O2 -g
ALL_CFLAGS := -std=gnu11 $(WARN) $(CFLAGS) -fno-common -fstack-protector-strong
ifdef WERROR
ALL_CFLAGS += -Werror
endif
ifdef SAN
override B := $(B)/san
ALL_CFLAGS += -O1 -fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined
endif

ifdef FUZZER
override CC := clang
override B := $(B)/fuzzer
ALL_CFLAGS += -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-omit-frame-pointer \
	-fno-sanitize-recover=undefined
endif

LIBS := $(shell pkg-config --libs $(PKGS)) -lpthread

# The program itself; everything else of a folder is a layer.
MAINS := vzpkg/main.c vzpkg/app.c vzpkg/exit_code.c runtime/vzctl.c runtime/vzlist.c
layer_src = $(filter-out $(MAINS),$(wildcard $(1)/*.c))
layer_lib = $(B)/lib/$(subst /,-,$(1)).a
OBJ = $(patsubst %.c,$(B)/obj/%.o,$(1))

PROGRAMS := $(B)/bin/vzpkg $(B)/bin/vzctl $(B)/bin/vzlist
INIT := $(B)/libexec/vzpkg/vzinit
MONITOR := $(B)/libexec/vzpkg/vzmonitor
POLICY := $(B)/libexec/vzpkg/policy-rc.d
SHARE := $(B)/share/vzpkg/templates
SAMPLES := $(B)/share/vzpkg/conf

all: $(PROGRAMS) $(INIT) $(MONITOR) $(POLICY) $(SHARE) $(SAMPLES)

$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

define layer_rule
$(call layer_lib,$(1)): $(call OBJ,$(call layer_src,$(1)))
	@mkdir -p $$(@D)
	@rm -f $$@
	ar rcs $$@ $$^
endef
$(foreach layer,$(LAYERS),$(eval $(call layer_rule,$(layer))))

# Highest layer first, for the linker.
reverse = $(if $(1),$(call reverse,$(wordlist 2,$(words $(1)),$(1))) $(firstword $(1)))
ARCHIVES := $(foreach layer,$(call reverse,$(LAYERS)),$(call layer_lib,$(layer)))

$(B)/bin/vzpkg: $(call OBJ,$(filter vzpkg/%,$(MAINS)) $(wildcard vzpkg/cmd/*.c)) $(ARCHIVES)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

# The runtime's programs know nothing of packages; as few libraries as can be, since they are started often.
RUNTIME_ARCHIVES := $(filter-out $(B)/lib/vzpkg%,$(ARCHIVES))
LIST_SRC := runtime/vzlist.c $(wildcard runtime/cmd/list_*.c)

$(B)/bin/vzctl: $(call OBJ,runtime/vzctl.c $(filter-out $(LIST_SRC),$(wildcard runtime/cmd/*.c))) \
		$(RUNTIME_ARCHIVES)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -Wl,--as-needed -o $@ $^ $(LIBS)

$(B)/bin/vzlist: $(call OBJ,$(LIST_SRC)) $(RUNTIME_ARCHIVES)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -Wl,--as-needed -o $@ $^ $(LIBS)

# PID 1 of every VE and the only thing of ours inside it: static, without libraries.
$(INIT): runtime/init/vzinit.c
	@mkdir -p $(@D)
	$(CC) -I. -D_GNU_SOURCE -std=gnu11 $(WARN) -O2 -static -s -o $@ $<

# The parent of every VE's init.
$(MONITOR): runtime/monitor/vzmonitor.c
	@mkdir -p $(@D)
	$(CC) -I. -D_GNU_SOURCE -std=gnu11 $(WARN) -O2 -static -s -o $@ $<

$(POLICY): vzpkg/install/policy-rc.d
	@mkdir -p $(@D)
	install -m 0755 $< $@

$(SHARE):
	@mkdir -p $(@D)
	ln -sfn $(CURDIR)/templates $@

$(SAMPLES):
	@mkdir -p $(@D)
	ln -sfn $(CURDIR)/runtime/conf $@

# ---- tests -----------------------------------------------------------------------------------
# tests/unit/LAYER/test_X.c (or tests/unit/vzpkg-fetch/…) links with LAYER and the layers before it.
UNIT_SRC := $(wildcard tests/unit/*/test_*.c)
UNITS := $(patsubst tests/unit/%.c,$(B)/unit/%,$(UNIT_SRC))
upto = $(if $(2),$(if $(filter $(1),$(subst /,-,$(firstword $(2)))),$(firstword $(2)),$(firstword $(2)) $(call upto,$(1),$(wordlist 2,$(words $(2)),$(2)))))
unit_libs = $(foreach layer,$(call reverse,$(call upto,$(1),$(LAYERS))),$(call layer_lib,$(layer)))

.SECONDEXPANSION:
$(B)/unit/%: $(B)/obj/tests/unit/%.o $$(call unit_libs,$$(firstword $$(subst /, ,$$*)))
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS) -lcmocka

units: $(UNITS)

# tests/fuzz/fuzz_X.c: a reader of outside bytes. "fuzz" replays inputs (SAN=1 is what makes sense); "make fuzzers" are
# real ones, in build/fuzz, with clang; tests/fuzz/run runs those.
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ_MAIN := $(if $(FUZZER),,tests/fuzz/replay.c)
FUZZ := $(patsubst tests/fuzz/fuzz_%.c,$(B)/fuzz/%,$(FUZZ_SRC))

$(B)/fuzz/%: $(B)/obj/tests/fuzz/fuzz_%.o $(call OBJ,tests/fuzz/fuzz.c $(FUZZ_MAIN)) $(ARCHIVES)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(if $(FUZZER),-fsanitize=fuzzer) $(LDFLAGS) -o $@ $^ $(LIBS)

fuzz: $(FUZZ)

fuzzers:
	$(MAKE) FUZZER=1 fuzz

check: all units
	tests/run unit cli resolve ve

lint:
	tests/lint/all

bench: all
	tests/bench/all

acceptance: all units
	tests/run acceptance

deps:
	tests/lib/install-deps build

install: all
	install -d $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(PREFIX)/libexec/vzpkg $(DESTDIR)$(PREFIX)/share/vzpkg
	install -m 0755 $(PROGRAMS) $(DESTDIR)$(PREFIX)/sbin/
	install -m 0755 $(INIT) $(MONITOR) $(POLICY) $(DESTDIR)$(PREFIX)/libexec/vzpkg/
	cp -R --preserve=mode templates $(DESTDIR)$(PREFIX)/share/vzpkg/
	cp -R --preserve=mode runtime/conf $(DESTDIR)$(PREFIX)/share/vzpkg/
	install -d $(DESTDIR)$(PREFIX)/share/man/man5 $(DESTDIR)$(PREFIX)/share/man/man8
	for page in vzpkg.8 vzctl.8 vzlist.8 vz.conf.5; do \
		scdoc < doc/man/$$page.scd > $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$$page || exit 1; \
	done

clean:
	rm -rf build

.PHONY: all units fuzz fuzzers check lint bench acceptance deps install clean $(SHARE) $(SAMPLES)
.DELETE_ON_ERROR:
-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
