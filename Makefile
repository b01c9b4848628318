# SPDX-License-Identifier: GPL-2.0-or-later
#
# make            programs in build/bin          make check      unit, resolver and command line tests
# make SAN=1      the same with ASan and UBSan   make lint       style, layers, headers, static analysis
# make deps       what building needs (Debian)   make install    DESTDIR= PREFIX=/usr/local
# make bench      comparisons, as ratios         make acceptance the full counts
# make deb        a Debian package in build/deb  make acceptance-vm   on a machine of its own, emulated
# make fuzzers    what tests/fuzz/run fuzzes with   make V=1       shows each command whole
#
# A folder is a layer; it may include the layers before it in LAYERS (tests/lint/layers proves it), and
# is one archive. B= puts everything that is made somewhere else.

B ?= build
PREFIX ?= /usr/local
CC ?= cc
VERSION := 0.1.0

LAYERS := base image runtime runtime/net runtime/criu runtime/guest runtime/config runtime/resource runtime/area runtime/life \
	runtime/access runtime/migrate runtime/doctor vzpkg/fetch vzpkg vzpkg/import vzpkg/metadata vzpkg/resolve vzpkg/cache \
	vzpkg/install vzpkg/fleet

PKGS := jansson libgcrypt libarchive libdeflate libseccomp libcurl gpgme libsolv libsolvext \
	libprotobuf-c libxml-2.0 rpm sqlite3 modulemd-2.0 liblzma zlib
CPPFLAGS += -I. -I$(B)/gen -D_GNU_SOURCE -DVERSION='"$(VERSION)"' -include base/banned.h \
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

LIBS := $(shell pkg-config --libs $(PKGS)) -ldb-5.3 -lpthread

# What is made, a line each; with V=1 the commands, as with --trace.
Q := $(if $(V),,@)
say = $(if $(V),@:,@printf '  %-6s%s\n' '$(1)' '$(2)')

# The program itself; everything else of a folder is a layer.
MAINS := vzpkg/main.c vzpkg/app.c vzpkg/exit_code.c runtime/vzctl.c runtime/vzlist.c \
	runtime/vzcfgvalidate.c runtime/vzmigrate.c
layer_src = $(filter-out $(MAINS),$(wildcard $(1)/*.c))
layer_lib = $(B)/lib/$(subst /,-,$(1)).a
OBJ = $(patsubst %.c,$(B)/obj/%.o,$(1))

PROGRAMS := $(B)/bin/vzpkg $(B)/bin/vzctl $(B)/bin/vzlist $(B)/bin/vzcfgvalidate $(B)/bin/vzmigrate
INIT := $(B)/libexec/vzpkg/vzinit
MONITOR := $(B)/libexec/vzpkg/vzmonitor
POLICY := $(B)/libexec/vzpkg/policy-rc.d
SERVICE := $(B)/bin/vz
SHARE := $(B)/share/vzpkg/templates
SAMPLES := $(B)/share/vzpkg/conf

all: $(PROGRAMS) $(SERVICE) $(INIT) $(MONITOR) $(POLICY) $(SHARE) $(SAMPLES)

$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# Messages in protocol buffers are made from what describes them.
$(B)/gen/%.pb-c.c $(B)/gen/%.pb-c.h &: %.proto
	@mkdir -p $(B)/gen
	$(call say,PROTO,$<)
	$(Q)protoc-c --c_out=$(B)/gen $<

$(B)/obj/%.pb-c.o: $(B)/gen/%.pb-c.c
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

define layer_rule
$(call layer_lib,$(1)): $(call OBJ,$(call layer_src,$(1)))
	@mkdir -p $$(@D)
	@rm -f $$@
	$$(call say,AR,$$@)
	$$(Q)ar rcs $$@ $$^
endef
$(foreach layer,$(LAYERS),$(eval $(call layer_rule,$(layer))))

$(call layer_lib,runtime/criu): $(B)/obj/runtime/criu/criu.pb-c.o
$(B)/obj/runtime/criu/criu.o $(B)/obj/tests/unit/runtime-criu/test_criu.o: $(B)/gen/runtime/criu/criu.pb-c.h

# Highest layer first, for the linker.
reverse = $(if $(1),$(call reverse,$(wordlist 2,$(words $(1)),$(1))) $(firstword $(1)))
ARCHIVES := $(foreach layer,$(call reverse,$(LAYERS)),$(call layer_lib,$(layer)))

$(B)/bin/vzpkg: $(call OBJ,$(filter vzpkg/%,$(MAINS)) $(wildcard vzpkg/cmd/*.c)) $(ARCHIVES)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

# The runtime's programs know nothing of packages; as few libraries as can be, since they are started often.
RUNTIME_ARCHIVES := $(filter-out $(B)/lib/vzpkg%,$(ARCHIVES))
LIST_SRC := runtime/vzlist.c $(wildcard runtime/cmd/list_*.c)

$(B)/bin/vzctl: $(call OBJ,runtime/vzctl.c $(filter-out $(LIST_SRC),$(wildcard runtime/cmd/*.c))) \
		$(RUNTIME_ARCHIVES)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -Wl,--as-needed -o $@ $^ $(LIBS)

$(B)/bin/vzlist: $(call OBJ,$(LIST_SRC)) $(RUNTIME_ARCHIVES)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -Wl,--as-needed -o $@ $^ $(LIBS)

$(B)/bin/vzcfgvalidate: $(call OBJ,runtime/vzcfgvalidate.c) $(RUNTIME_ARCHIVES)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -Wl,--as-needed -o $@ $^ $(LIBS)

$(B)/bin/vzmigrate: $(call OBJ,runtime/vzmigrate.c) $(RUNTIME_ARCHIVES)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -Wl,--as-needed -o $@ $^ $(LIBS)

# PID 1 of every VE and the only thing of ours inside it: static, without libraries.
$(INIT): runtime/init/vzinit.c
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) -I. -D_GNU_SOURCE -std=gnu11 $(WARN) -O2 -static -s -o $@ $<

# The parent of every VE's init.
$(MONITOR): runtime/monitor/vzmonitor.c runtime/attach.h
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) -I. -D_GNU_SOURCE -std=gnu11 $(WARN) -O2 -static -s -o $@ $<

$(POLICY): vzpkg/install/policy-rc.d
	@mkdir -p $(@D)
	$(call say,MAKE,$@)
	$(Q)install -m 0755 $< $@

$(SERVICE): runtime/service/vz
	@mkdir -p $(@D)
	$(call say,MAKE,$@)
	$(Q)install -m 0755 $< $@

$(SHARE):
	@mkdir -p $(@D)
	$(call say,MAKE,$@)
	$(Q)ln -sfn $(CURDIR)/templates $@

$(SAMPLES):
	@mkdir -p $(@D)
	$(call say,MAKE,$@)
	$(Q)ln -sfn $(CURDIR)/runtime/conf $@

# ---- tests -----------------------------------------------------------------------------------
# tests/unit/LAYER/test_X.c (or tests/unit/vzpkg-fetch/…) links with LAYER and the layers before it. visitor.c is no test, but what
# tests/ve/test-visit goes into VEs with.
UNIT_SRC := $(wildcard tests/unit/*/test_*.c) tests/unit/runtime-access/visitor.c \
	tests/unit/vzpkg-fleet/changer.c
UNITS := $(patsubst tests/unit/%.c,$(B)/unit/%,$(UNIT_SRC))
upto = $(if $(2),$(if $(filter $(1),$(subst /,-,$(firstword $(2)))),$(firstword $(2)),$(firstword $(2)) $(call upto,$(1),$(wordlist 2,$(words $(2)),$(2)))))
unit_libs = $(foreach layer,$(call reverse,$(call upto,$(1),$(LAYERS))),$(call layer_lib,$(layer)))

.SECONDEXPANSION:
$(B)/unit/%: $(B)/obj/tests/unit/%.o $$(call unit_libs,$$(firstword $$(subst /, ,$$*)))
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS) -lcmocka

# Programs that tests start.
TEST_PROGRAMS := $(B)/test/change

$(B)/test/%: $(B)/obj/tests/lib/%.o $(call OBJ,vzpkg/app.c) $(ARCHIVES)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

units: $(UNITS) $(TEST_PROGRAMS)

# tests/fuzz/fuzz_X.c: a reader of outside bytes. "fuzz" replays inputs (SAN=1 is what makes sense); "make fuzzers" are
# real ones, in build/fuzz, with clang; tests/fuzz/run runs those.
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ_MAIN := $(if $(FUZZER),,tests/fuzz/replay.c)
FUZZ := $(patsubst tests/fuzz/fuzz_%.c,$(B)/fuzz/%,$(FUZZ_SRC))

# What reads a bundle belongs to the program, and is in no archive.
FUZZ_OBJ_bundle := $(call OBJ,vzpkg/cmd/bundle_contents.c vzpkg/cmd/manifest.c)

$(B)/fuzz/%: $(B)/obj/tests/fuzz/fuzz_%.o $$(FUZZ_OBJ_$$*) $(call OBJ,tests/fuzz/fuzz.c $(FUZZ_MAIN)) $(ARCHIVES)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(if $(FUZZER),-fsanitize=fuzzer) $(LDFLAGS) -o $@ $^ $(LIBS)

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

acceptance-vm: all
	tests/vm/run

deps:
	tests/lib/install-deps build

# ---- installing ------------------------------------------------------------------------------
# SYSCONFDIR= and UNITDIR= are set by packages; without them /etc and systemd are left alone.
COMPLETIONS := $(foreach program,vzpkg vzctl vzlist vzcfgvalidate vzmigrate,$(B)/completion/bash/$(program) \
	$(B)/completion/zsh/_$(program) $(B)/completion/fish/$(program).fish)

completions: $(COMPLETIONS)

$(B)/completion/bash/%: $(B)/bin/%
	@mkdir -p $(@D)
	$(call say,MAKE,$@)
	$(Q)$< --completion bash > $@

$(B)/completion/zsh/_%: $(B)/bin/%
	@mkdir -p $(@D)
	$(call say,MAKE,$@)
	$(Q)$< --completion zsh > $@

$(B)/completion/fish/%.fish: $(B)/bin/%
	@mkdir -p $(@D)
	$(call say,MAKE,$@)
	$(Q)$< --completion fish > $@

MAN := vzpkg.8 vzctl.8 vz.8 vzlist.8 vzcfgvalidate.8 vzmigrate.8 vz.conf.5
ROOT = $(DESTDIR)$(PREFIX)

install: all completions
	install -d $(ROOT)/sbin $(ROOT)/libexec/vzpkg $(ROOT)/share/vzpkg
	install -m 0755 $(PROGRAMS) $(SERVICE) $(ROOT)/sbin/
	install -m 0755 $(INIT) $(MONITOR) $(POLICY) $(ROOT)/libexec/vzpkg/
	cp -R --preserve=mode templates runtime/conf $(ROOT)/share/vzpkg/
	install -D -m 0644 -t $(ROOT)/share/bash-completion/completions $(filter $(B)/completion/bash/%,$(COMPLETIONS))
	install -D -m 0644 -t $(ROOT)/share/zsh/vendor-completions $(filter $(B)/completion/zsh/%,$(COMPLETIONS))
	install -D -m 0644 -t $(ROOT)/share/fish/vendor_completions.d $(filter %.fish,$(COMPLETIONS))
	for page in $(MAN); do \
		install -d $(ROOT)/share/man/man$${page##*.} && \
		scdoc < doc/man/$$page.scd > $(ROOT)/share/man/man$${page##*.}/$$page || exit 1; \
	done
	$(if $(SYSCONFDIR),install -D -m 0644 runtime/conf/vz.conf $(DESTDIR)$(SYSCONFDIR)/vz/vz.conf)
	$(if $(SYSCONFDIR),install -d $(DESTDIR)$(SYSCONFDIR)/vz/conf $(DESTDIR)$(SYSCONFDIR)/vz/vzpkg.conf.d)
	$(if $(UNITDIR),install -D -m 0644 runtime/service/vz.slice $(DESTDIR)$(UNITDIR)/vz.slice)
	$(if $(UNITDIR),sed 's|@PREFIX@|$(PREFIX)|' runtime/service/vz.service > $(DESTDIR)$(UNITDIR)/vz.service)
	$(if $(UNITDIR),sed 's|@PREFIX@|$(PREFIX)|' vzpkg/service/vzpkg-refresh.service > $(DESTDIR)$(UNITDIR)/vzpkg-refresh.service)
	$(if $(UNITDIR),install -m 0644 vzpkg/service/vzpkg-refresh.timer $(DESTDIR)$(UNITDIR)/vzpkg-refresh.timer)
	$(if $(SYSCONFDIR),install -d $(DESTDIR)$(SYSCONFDIR)/cron.d)
	$(if $(SYSCONFDIR),sed 's|@PREFIX@|$(PREFIX)|g' vzpkg/service/vzpkg.cron > $(DESTDIR)$(SYSCONFDIR)/cron.d/vzpkg)
	$(if $(SYSCONFDIR),install -D -m 0644 vzpkg/service/vzpkg.logrotate $(DESTDIR)$(SYSCONFDIR)/logrotate.d/vzpkg)

# A Debian package in $(B)/deb, built from a copy of what git has.
deb:
	tests/lib/install-deps deb
	rm -rf $(B)/deb
	mkdir -p $(B)/deb/vzpkg
	git ls-files -z | xargs -0 cp --parents -P -t $(B)/deb/vzpkg
	cd $(B)/deb/vzpkg && dpkg-buildpackage --build=binary --no-sign -j$$(nproc)
	@ls $(B)/deb/*.deb

clean:
	rm -rf build

.PHONY: all completions deb units fuzz fuzzers check lint bench acceptance acceptance-vm deps install clean $(SHARE) $(SAMPLES)
.DELETE_ON_ERROR:
-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
