# SPDX-License-Identifier: MIT
#
# holdfast. `make help` lists what can be asked for. Everything is built into build/<config>/.

CONFIG  ?= release
PREFIX  ?= /usr/local
DESTDIR ?=
CFLAGS  ?= -O2 -g
WERROR  ?=
JOBS    ?= $(shell nproc 2>/dev/null || echo 1)
V       ?= 0

VERSION := 0.1.0
B       := build/$(CONFIG)

# Debian packages: to build and test, and what `make bench` measures against.
DEPS := gcc libc6-dev pkg-config fuse3 libfuse3-dev librocksdb-dev libsodium-dev libssl-dev \
	libcurl4-gnutls-dev|libcurl4-openssl-dev libexpat1-dev libmicrohttpd-dev libgnutls28-dev libzstd-dev \
	libjansson-dev libqrencode-dev libbsd-dev uthash-dev libcmocka-dev \
	man-db mandoc zsh bash-completion tzdata \
	git perl attr acl util-linux e2fsprogs sqlite3 rsync fio openssl python3 python3-nacl curl openssh-client \
	openssh-server samba samba-vfs-modules smbclient
# A browser for the page's tests, which skip that part where it cannot be had.
WEB_DEPS := chromium chromium-driver
# A real S3 server for its tests, which are skipped where these cannot be had.
S3_DEPS := ceph-mon ceph-osd radosgw ceph-common
BENCH_DEPS := python3 procps bindfs gocryptfs mergerfs fio rsync make tar openssl
SCALE_DEPS := python3 rsync restic borgbackup gnuplot-nox
# A package for Debian: to build it, and to try it on a machine made for that.
DEB_DEPS := dpkg-dev debhelper lintian fakeroot systemd
CHECK_DEB_DEPS := debootstrap debian-archive-keyring systemd-container
# Real faults: file systems to put a store on, and clocks and networks to break.
SOAK_DEPS := xfsprogs btrfs-progs e2fsprogs util-linux iproute2 libfaketime
REPLICA_DEPS := python3 rsync restic borgbackup openssh-client openssh-server

PACKAGES := fuse3 rocksdb libsodium libcrypto libcurl expat libmicrohttpd gnutls libzstd jansson libqrencode libbsd

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wconversion -Wformat=2
HARDEN   := -fstack-protector-strong -fPIE
HARDEN_LD := -pie -Wl,-z,relro,-z,now
ifeq ($(CONFIG),release)
HARDEN   += -D_FORTIFY_SOURCE=2
endif
ifeq ($(CONFIG),check)
HARDEN   += -D_FORTIFY_SOURCE=2
endif
ifeq ($(CONFIG),debug)
SANITIZE := -O0
endif
ifneq ($(filter asan tsan fuzz,$(CONFIG)),)
WARNINGS := -w # compilers see ghosts when they instrument; the other builds tell
# A hundred programs are linked: by what does it in half the time, where it is there.
FAST_LD := $(if $(shell command -v ld.gold),-fuse-ld=gold)
endif
ifeq ($(CONFIG),asan)
SANITIZE := -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
endif
ifeq ($(CONFIG),tsan)
SANITIZE := -O1 -fno-omit-frame-pointer -fsanitize=thread
endif
ifeq ($(CONFIG),fuzz)
SANITIZE := -O1 -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
endif

# pkg-config is asked when the first file is compiled, not when this file is read: `make deps` may have to install it.
PKG_CFLAGS = $(eval PKG_CFLAGS := $$(shell pkg-config --cflags $(PACKAGES)))$(PKG_CFLAGS)
PKG_LIBS   = $(eval PKG_LIBS := $$(shell pkg-config --libs $(PACKAGES)) -lm)$(PKG_LIBS)

BASE_CFLAGS := -std=gnu11 -D_GNU_SOURCE -DFUSE_USE_VERSION=314 -pthread $(WARNINGS) $(HARDEN)
COMPILE = $(CC) $(BASE_CFLAGS) $(CFLAGS) $(SANITIZE) $(WERROR) $(CPPFLAGS) -MMD -MP
LINK    = $(CC) $(CFLAGS) $(SANITIZE) $(FAST_LD) -pthread $(HARDEN_LD) $(LDFLAGS)

find_c = $(sort $(shell find $(1) -name '*.c' 2>/dev/null))

STORE_SRC   := $(call find_c,store)
FS_SRC      := $(call find_c,fs)
HELPER_SRC  := $(filter-out tests/unit/test_%,$(call find_c,tests/unit tests/model tests/sim))
UNIT_SRC    := $(sort $(wildcard tests/unit/test_*.c))
FUZZ_SRC    := $(sort $(wildcard tests/fuzz/fuzz_*.c))
FAULT_SRC   := $(call find_c,tests/fault)
SOAK_BIN    := $(B)/tests/soak/disk

STORE_OBJ   := $(STORE_SRC:%.c=$(B)/%.o)
FS_OBJ      := $(FS_SRC:%.c=$(B)/%.o)
HELPER_OBJ  := $(HELPER_SRC:%.c=$(B)/%.o)
UNIT_OBJ    := $(UNIT_SRC:%.c=$(B)/%.o)
FUZZ_OBJ    := $(FUZZ_SRC:%.c=$(B)/%.o)
FAULT_OBJ   := $(FAULT_SRC:%.c=$(B)/%.o)
UNIT_BIN    := $(UNIT_SRC:%.c=$(B)/%)
FUZZ_BIN    := $(FUZZ_SRC:%.c=$(B)/%)
REPLAY_BIN  := $(FUZZ_SRC:%.c=$(B)/%-replay)
FAULT_BIN   := $(B)/tests/fault/faultsim
BENCH_BIN   := $(B)/tests/bench/fsbench $(B)/tests/bench/tagbench $(B)/tests/bench/ceiling
CEILING_OBJ := $(addprefix $(B)/tests/bench/ceiling_,bytes.o memory.o rest.o)
SCALE_BIN   := $(B)/tests/bench/fsbench $(B)/tests/bench/scalebench $(B)/tests/bench/historybench
REPLICA_BIN := $(B)/tests/bench/scalebench $(B)/tests/bench/replbench

ifeq ($(V),0)
Q := @
say = @printf '  %-4s %s\n' $(1) $(2)
else
Q :=
say = @:
endif

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all man lib units replays faults deb asan tsan layers tidy format \
	check check-s3 check-attack check-fault check-fault-long check-fuzz check-long check-deb soak soak-long \
	bench bench-scale bench-replica demo demo-stop install uninstall clean help \
	deps s3-deps web-deps bench-deps deb-deps promtool

all: $(B)/holdfast $(B)/libholdfast.a
lib: $(B)/libholdfast.a
units: $(UNIT_BIN)
replays: $(REPLAY_BIN)
faults: $(FAULT_BIN)

# ---------------------------------------------------------------------------------------------- building

# A change of flags or compiler makes everything anew.
FLAGS_NOW := $(CC) $(BASE_CFLAGS) $(CFLAGS) $(SANITIZE) $(WERROR) $(CPPFLAGS) $(LDFLAGS)
$(B)/flags: FORCE
	@mkdir -p $(@D); echo '$(FLAGS_NOW)' | cmp -s - $@ || echo '$(FLAGS_NOW)' > $@
.PHONY: FORCE

# The store sees itself and the public headers; fs the same, and `make layers` keeps it to the public ones.
$(B)/%.o: %.c $(B)/flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(COMPILE) -Iinclude -I. $(PKG_CFLAGS) -c $< -o $@

# The page's files are part of this object.
$(B)/fs/web/assets.o: $(wildcard fs/web/page/*)

# One relocatable object whose only global names are the public ones.
$(B)/libholdfast.a: $(STORE_OBJ)
	$(call say,LIB,$@)
	$(Q)$(LD) -r -o $(B)/libholdfast.o $(STORE_OBJ)
	$(Q)objcopy --wildcard --keep-global-symbol='hf_*' $(B)/libholdfast.o
	$(Q)rm -f $@ && $(AR) rcs $@ $(B)/libholdfast.o

# What tests link against: every name of the store and of fs.
$(B)/store.a: $(STORE_OBJ)
$(B)/fs.a: $(filter-out %/fs/cli/main.o,$(FS_OBJ))
$(B)/helpers.a: $(HELPER_OBJ)
# A name that two of its files define would break whichever test comes to need both: it is told of here.
$(B)/store.a $(B)/fs.a $(B)/helpers.a:
	$(Q)mkdir -p $(@D) && rm -f $@ && $(AR) qcs $@ $^
	$(Q)twice=$$(nm -g --defined-only $@ | awk 'NF == 3 { print $$3 }' | sort | uniq -d); \
		[ -z "$$twice" ] || { echo "$@: defined twice: "$$twice >&2; exit 1; }

$(B)/holdfast: $(FS_OBJ) $(B)/libholdfast.a
	$(call say,LD,$@)
	$(Q)$(LINK) -o $@ $(FS_OBJ) $(B)/libholdfast.a $(PKG_LIBS)

$(UNIT_BIN): $(B)/%: $(B)/%.o $(B)/helpers.a $(B)/fs.a $(B)/store.a
	$(call say,LD,$@)
	$(Q)$(LINK) -o $@ $^ $(PKG_LIBS) $(shell pkg-config --libs cmocka)

# What tests/sim/sched_wrap.c answers in the place of the system.
SCHED_WRAPPED := pthread_create pthread_join pthread_mutex_lock pthread_mutex_unlock pthread_cond_wait \
	pthread_cond_timedwait pthread_cond_signal pthread_cond_broadcast pthread_rwlock_rdlock pthread_rwlock_wrlock \
	pthread_rwlock_unlock nanosleep clock_gettime sysconf getrandom
$(FAULT_BIN): $(FAULT_OBJ) $(B)/helpers.a $(B)/fs.a $(B)/store.a
	$(call say,LD,$@)
	$(Q)$(LINK) $(SCHED_WRAPPED:%=-Wl,--wrap=%) -o $@ $^ $(PKG_LIBS)

$(FUZZ_BIN): $(B)/%: $(B)/%.o $(B)/fs.a $(B)/store.a
	$(call say,LD,$@)
	$(Q)$(LINK) -fsanitize=fuzzer -o $@ $^ $(PKG_LIBS)

$(REPLAY_BIN): $(B)/%-replay: $(B)/%.o $(B)/tests/fuzz/replay.o $(B)/fs.a $(B)/store.a
	$(call say,LD,$@)
	$(Q)$(LINK) -o $@ $^ $(PKG_LIBS)

$(B)/tests/bench/fsbench: $(B)/%: $(B)/%.o
	$(call say,LD,$@)
	$(Q)$(LINK) -o $@ $^

# The mount over another store than holdfast's.
$(B)/tests/bench/ceiling: $(B)/%: $(B)/%.o $(CEILING_OBJ) \
		$(filter $(B)/fs/mount/%,$(FS_OBJ)) $(B)/store/base/error.o $(B)/store/base/meter.o
	$(call say,LD,$@)
	$(Q)$(LINK) -o $@ $^ $(PKG_LIBS)

$(SOAK_BIN): $(B)/%: $(B)/%.o
	$(call say,LD,$@)
	$(Q)$(LINK) -o $@ $^ $(shell pkg-config --libs fuse3)

$(B)/tests/bench/tagbench $(B)/tests/bench/scalebench $(B)/tests/bench/replbench $(B)/tests/bench/historybench: $(B)/%: $(B)/%.o $(B)/libholdfast.a
	$(call say,LD,$@)
	$(Q)$(LINK) -o $@ $^ $(PKG_LIBS)

-include $(patsubst %.o,%.d,$(STORE_OBJ) $(FS_OBJ) $(HELPER_OBJ) $(FAULT_OBJ) $(UNIT_OBJ) $(FUZZ_OBJ) $(B)/tests/fuzz/replay.o \
	$(BENCH_BIN:=.o) $(CEILING_OBJ) $(SCALE_BIN:=.o) $(REPLICA_BIN:=.o) $(SOAK_BIN:=.o))

# ---------------------------------------------------------------------------------------------- testing

# Units run with sanitizers; check-long compiles and runs them without as well.
check: deps s3-deps web-deps promtool
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) CONFIG=check WERROR=-Werror all faults
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) CONFIG=asan units replays faults
	$(Q)tests/run.sh layers units:build/asan 'fault:build/check:$(FAULT_SAMPLE)' \
		'fault:build/asan:$(FAULT_SAMPLE_ASAN)' replay:build/asan system:build/check attack:build/check

# Whoever has all keys of the primary, the replica's provider, and those in between; against a node under ASan too.
check-attack: deps
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) CONFIG=check WERROR=-Werror all
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) CONFIG=asan all
	$(Q)tests/run.sh attack:build/check attack:build/asan

# Buckets: a server of our own that misbehaves, and a real one.
check-s3: deps s3-deps
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) CONFIG=check WERROR=-Werror all units
	$(Q)tests/run.sh 'units:build/check:test_s3*' 'system:build/check:45-* 46-*'

# The fault simulator (docs/RELIABILITY.md): faultsim's own words, and of `make check` a sample of them.
FAULT_SAMPLE      := --store=20 --pair=10 --points=1 --stride=37 --repeat=1 --lies
FAULT_SAMPLE_ASAN := --store=6 --pair=3 --points=1 --stride=149
FAULT_RUN         ?= --store=4000 --pair=1500 --points=4 --repeat=100 --lies
FAULT_OPS         ?= 1000000
FAULT_LONG        ?= --ops=1000 --store=$(shell expr $(FAULT_OPS) / 1000) --pair=$(shell expr $(FAULT_OPS) / 2500)

# The command as it was asked for, with those of these variables that are not as they stand here.
as_asked = $(strip make $@ $(foreach v,$(1),$(if $(filter file,$(origin $(v))),,$(v)='$($(v))')))

# Power cuts, torn writes, failing disks and links, at every step there is; the totals go into docs/RELIABILITY.md.
check-fault: deps
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) CONFIG=check WERROR=-Werror faults
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) CONFIG=asan units
	$(Q)build/check/tests/fault/faultsim $(FAULT_RUN) --report=docs/RELIABILITY.md \
		--how="$(call as_asked,FAULT_RUN)"
	$(Q)tests/run.sh 'units:build/asan:*fault* *crash* test_sim test_model_power'

# A million operations; FAULT_OPS=… for more or fewer. A life that ends early, as many do, has fewer than it might.
check-fault-long: deps
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) CONFIG=check WERROR=-Werror faults
	$(Q)build/check/tests/fault/faultsim $(FAULT_RUN) $(FAULT_LONG) --report=docs/RELIABILITY.md \
		--how="$(call as_asked,FAULT_RUN FAULT_LONG FAULT_OPS)"

# Real faults (docs/RELIABILITY.md), as root: power cuts, full and failing disks, clocks, networks, memory, signals.
# The totals go there, too.
SOAK_SECONDS      ?= 600
SOAK_LONG_SECONDS ?= 28800
SOAK_ONLY         ?=
SOAK_DIR          ?= $(CURDIR)/build/soak
soak: deps
	@tests/deps.sh $(foreach d,$(SOAK_DEPS),'$(d)')
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) CONFIG=check WERROR=-Werror all $(SOAK_BIN:$(B)/%=build/check/%)
	$(Q)PYTHONDONTWRITEBYTECODE=1 tests/soak/soak.py --seconds $(SOAK_SECONDS) --only '$(SOAK_ONLY)' --dir $(SOAK_DIR) \
		--build build/check --report docs/RELIABILITY.md --how 'make soak SOAK_SECONDS=$(SOAK_SECONDS)' \
		$(if $(SOAK_SEED),--seed $(SOAK_SEED)) $(if $(SOAK_KEEP),--keep)

soak-long:
	$(Q)$(MAKE) --no-print-directory soak SOAK_SECONDS=$(SOAK_LONG_SECONDS)

FUZZ_SECONDS ?= 60
check-fuzz: deps
	$(Q)command -v clang >/dev/null || { echo 'check-fuzz needs clang: apt-get install clang' >&2; exit 2; }
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) CONFIG=fuzz CC=clang $(FUZZ_SRC:%.c=build/fuzz/%)
	$(Q)tests/run.sh fuzz:build/fuzz:$(FUZZ_SECONDS)

check-long: deps s3-deps web-deps promtool
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) CONFIG=check WERROR=-Werror all units
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) CONFIG=asan all units replays faults
	$(Q)HOLDFAST_TEST_LONG=1 HF_ROUNDS=50 tests/run.sh layers units:build/check units:build/asan replay:build/asan \
		'fault:build/asan:$(FAULT_RUN)' \
		system:build/check system:build/asan attack:build/check attack:build/asan

# The system tests that ask most of a mount. ThreadSanitizer wants its addresses where they are without ASLR.
asan tsan: deps
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) CONFIG=$@ all units
	$(Q)$(shell setarch -R true 2>/dev/null && echo setarch -R) tests/run.sh units:build/$@ \
		'system:build/$@:30-* 52-* 72-* 73-* 74-*'

layers:
	$(Q)tests/layers.sh

tidy:
	$(Q)clang-tidy --quiet $(STORE_SRC) $(FS_SRC) -- $(BASE_CFLAGS) -Iinclude -I. $(PKG_CFLAGS)

format:
	$(Q)clang-format -i $(shell find fs store include tests -name '*.[ch]')

# ---------------------------------------------------------------------------------------------- showing, measuring

demo: deps
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) CONFIG=release all
	$(Q)HOLDFAST=$(CURDIR)/build/release/holdfast tests/demo/demo.sh start $(CURDIR)/demo

demo-stop:
	$(Q)HOLDFAST=$(CURDIR)/build/release/holdfast tests/demo/demo.sh stop $(CURDIR)/demo

BENCH_ROUNDS ?= 3
BENCH_ONLY   ?=
BENCH_FILESYSTEMS ?= ext4,bindfs,mergerfs,gocryptfs,holdfast,ceiling
BENCH_DIR    ?= $(CURDIR)/build/bench
bench: bench-deps
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) CONFIG=release all $(BENCH_BIN:$(B)/%=build/release/%)
	$(Q)PYTHONDONTWRITEBYTECODE=1 tests/bench/bench.py --rounds $(BENCH_ROUNDS) --only '$(BENCH_ONLY)' \
		--filesystems '$(BENCH_FILESYSTEMS)' --dir $(BENCH_DIR) --build build/release

SCALE        ?= 1
SCALE_ROUNDS ?= 3
SCALE_ONLY   ?=
SCALE_DIR    ?= $(CURDIR)/build/scale
bench-scale: deps
	@tests/deps.sh $(foreach d,$(SCALE_DEPS),'$(d)')
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) CONFIG=release all $(SCALE_BIN:$(B)/%=build/release/%)
	$(Q)PYTHONDONTWRITEBYTECODE=1 tests/bench/scale.py --scale $(SCALE) --rounds $(SCALE_ROUNDS) \
		--only '$(SCALE_ONLY)' --dir $(SCALE_DIR) --build build/release $(if $(SCALE_KEEP),--keep) \
		$(if $(SCALE_PICTURES),--pictures $(SCALE_PICTURES))

REPLICA_SCALE  ?= 1
REPLICA_ROUNDS ?= 3
REPLICA_ONLY   ?=
REPLICA_DIR    ?= $(CURDIR)/build/replica
bench-replica: deps
	@tests/deps.sh $(foreach d,$(REPLICA_DEPS),'$(d)')
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) CONFIG=release all $(REPLICA_BIN:$(B)/%=build/release/%)
	$(Q)PYTHONDONTWRITEBYTECODE=1 tests/bench/replica.py --scale $(REPLICA_SCALE) --rounds $(REPLICA_ROUNDS) \
		--only '$(REPLICA_ONLY)' --dir $(REPLICA_DIR) --build build/release

# ---------------------------------------------------------------------------------------------- packages

deps:
	@tests/deps.sh $(foreach d,$(DEPS),'$(d)')

deb-deps: deps
	@tests/deps.sh $(foreach d,$(DEB_DEPS),'$(d)')

s3-deps: deps
	@tests/deps.sh $(foreach d,$(S3_DEPS),'$(d)') || echo 'deps: without them the tests with a real S3 server are skipped'

web-deps: deps
	@tests/deps.sh $(foreach d,$(WEB_DEPS),'$(d)') || echo 'deps: without them the page is not tried in a browser'

# One file of a package that nobody wants installed.
promtool: deps
	@tests/promtool.sh build/tools > /dev/null || echo 'deps: without promtool a part of the metrics is not checked'

bench-deps: deps
	@tests/deps.sh $(foreach d,$(BENCH_DEPS),'$(d)')

# dpkg-buildpackage wants debian/ at the top of what it builds, so it gets a tree that has it there. The same sources
# give the same bytes: the time in the package is that of the changelog.
DEB     ?= build/deb
DEBTREE := $(DEB)/holdfast-$(VERSION)
deb: deb-deps
	$(Q)rm -rf $(DEB) && mkdir -p $(DEBTREE)
	$(Q)cp -a fs store include tests docs Makefile README.md LICENSE $(DEBTREE)/
	$(Q)find $(DEBTREE) -name __pycache__ -prune -exec rm -rf {} +
	$(Q)mv $(DEBTREE)/fs/debian $(DEBTREE)/ && chmod -R u=rwX,go=rX $(DEBTREE)
	$(Q)cd $(DEBTREE) && env -u MAKEFLAGS -u MFLAGS -u CFLAGS dpkg-buildpackage -us -uc -j$(JOBS) > ../build.log 2>&1 || \
		{ tail -n 40 ../build.log; exit 1; }
	$(Q)lintian --fail-on error,warning $(DEB)/holdfast_$(VERSION)_*.changes
	@ls $(DEB)/*.deb

# Built twice with the same hash; and on a fresh Debian 12 and a fresh testing: installed, used, a node served, recovered
# from, removed. As root; takes some minutes and the network.
CHECK_DEB_SUITES ?= bookworm testing
check-deb: deb-deps
	@tests/deps.sh $(foreach d,$(CHECK_DEB_DEPS),'$(d)')
	$(Q)tests/deb/check.sh build/check-deb $(CHECK_DEB_SUITES)

# ---------------------------------------------------------------------------------------------- the manual

# What each command's page says is its --help; the two formats' are the documents.
MAN := $(B)/man
man: $(MAN)/done
$(MAN)/done: docs/man.pl docs/holdfast.1.in docs/FORMAT.md docs/PROTOCOL.md $(B)/holdfast
	$(call say,MAN,$(MAN))
	$(Q)rm -rf $(MAN) && mkdir -p $(MAN)/man1 $(MAN)/man5 $(MAN)/man7 $(MAN)/man8
	$(Q)docs/man.pl document docs/FORMAT.md holdfast-format 5 $(VERSION) > $(MAN)/man5/holdfast-format.5
	$(Q)docs/man.pl document docs/PROTOCOL.md holdfast-protocol 7 $(VERSION) > $(MAN)/man7/holdfast-protocol.7
	$(Q)docs/man.pl overview $(B)/holdfast docs/holdfast.1.in $(VERSION) > $(MAN)/man1/holdfast.1
	$(Q)docs/man.pl list $(B)/holdfast > $(MAN)/commands
	$(Q)while read -r c; do docs/man.pl command $(B)/holdfast $$c $(VERSION) > $(MAN)/man1/holdfast-$$c.1 || exit; done \
		< $(MAN)/commands
	$(Q)echo '.so man1/holdfast-mount.1' > $(MAN)/man8/mount.fuse.holdfast.8
	$(Q)touch $@

# ---------------------------------------------------------------------------------------------- installing

# Where things go: below PREFIX, and nothing anywhere else. mount(8) looks for helpers in /sbin only; with another PREFIX
# than /usr it finds `holdfast` by way of mount.fuse3.
BINDIR      ?= $(PREFIX)/bin
SBINDIR     ?= $(PREFIX)/sbin
LIBDIR      ?= $(PREFIX)/lib
INCLUDEDIR  ?= $(PREFIX)/include
MANDIR      ?= $(PREFIX)/share/man
DOCDIR      ?= $(PREFIX)/share/doc/holdfast
BASHDIR     ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR      ?= $(PREFIX)/share/zsh/site-functions
UNITDIR     ?= $(PREFIX)/lib/systemd/system
USERUNITDIR ?= $(PREFIX)/share/systemd/user
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d

UNITS      := $(notdir $(wildcard fs/systemd/*.service fs/systemd/*.timer))
USER_UNITS := $(notdir $(wildcard fs/systemd/user/*.service fs/systemd/user/*.timer))
DOCS       := $(notdir $(wildcard docs/*.md docs/*.svg docs/*.json docs/*.yml))

# put MODE FOLDER FILES: into that folder below DESTDIR
put = install -d $(DESTDIR)$(2) && install -m $(1) $(3) $(DESTDIR)$(2)/
# put_unit FILE FOLDER: a unit that runs what is installed
put_unit = sed 's,/usr/local/bin/,$(BINDIR)/,g' $(1) > $(DESTDIR)$(2)/$(notdir $(1)) && chmod 644 $(DESTDIR)$(2)/$(notdir $(1))

install: all man
	$(call put,755,$(BINDIR),$(B)/holdfast)
	install -d $(DESTDIR)$(SBINDIR)
	ln -sfr $(DESTDIR)$(BINDIR)/holdfast $(DESTDIR)$(SBINDIR)/mount.fuse.holdfast
	$(call put,644,$(LIBDIR),$(B)/libholdfast.a)
	$(call put,644,$(INCLUDEDIR)/holdfast,include/holdfast/*.h)
	$(call put,644,$(MANDIR)/man1,$(MAN)/man1/*.1)
	$(call put,644,$(MANDIR)/man5,$(MAN)/man5/*.5)
	$(call put,644,$(MANDIR)/man7,$(MAN)/man7/*.7)
	$(call put,644,$(MANDIR)/man8,$(MAN)/man8/*.8)
	$(call put,644,$(DOCDIR),README.md)
	$(call put,644,$(DOCDIR)/docs,$(DOCS:%=docs/%))
	$(call put,644,$(ZSHDIR),fs/completion/_holdfast)
	install -d $(DESTDIR)$(BASHDIR) $(DESTDIR)$(UNITDIR) $(DESTDIR)$(USERUNITDIR) $(DESTDIR)$(SYSUSERSDIR)
	install -m 644 fs/completion/holdfast.bash $(DESTDIR)$(BASHDIR)/holdfast
	install -m 644 fs/systemd/holdfast.sysusers.conf $(DESTDIR)$(SYSUSERSDIR)/holdfast.conf
	$(foreach u,$(UNITS),$(call put_unit,fs/systemd/$(u),$(UNITDIR)) &&) true
	$(foreach u,$(USER_UNITS),$(call put_unit,fs/systemd/user/$(u),$(USERUNITDIR)) &&) true
	install -d $(DESTDIR)$(LIBDIR)/pkgconfig
	printf '%s\n' 'libdir=$(LIBDIR)' 'includedir=$(INCLUDEDIR)' 'Name: holdfast' \
		'Description: a filesystem that cannot forget' 'Version: $(VERSION)' \
		'Requires: $(filter-out fuse3 libqrencode,$(PACKAGES))' \
		'Libs: -L$${libdir} -lholdfast -pthread' 'Cflags: -I$${includedir}' \
		> $(DESTDIR)$(LIBDIR)/pkgconfig/holdfast.pc
	chmod 644 $(DESTDIR)$(LIBDIR)/pkgconfig/holdfast.pc

# What install put there, and folders that are holdfast's alone: DOCDIR may be another's, too. Volumes, nodes and
# /etc/holdfast are nobody's to remove.
uninstall:
	rm -f $(DESTDIR)$(BINDIR)/holdfast $(DESTDIR)$(SBINDIR)/mount.fuse.holdfast \
		$(DESTDIR)$(LIBDIR)/libholdfast.a $(DESTDIR)$(LIBDIR)/pkgconfig/holdfast.pc \
		$(DESTDIR)$(MANDIR)/man1/holdfast.1 $(DESTDIR)$(MANDIR)/man1/holdfast-*.1 \
		$(DESTDIR)$(MANDIR)/man5/holdfast-format.5 $(DESTDIR)$(MANDIR)/man7/holdfast-protocol.7 \
		$(DESTDIR)$(MANDIR)/man8/mount.fuse.holdfast.8 \
		$(DESTDIR)$(BASHDIR)/holdfast $(DESTDIR)$(ZSHDIR)/_holdfast \
		$(UNITS:%=$(DESTDIR)$(UNITDIR)/%) $(USER_UNITS:%=$(DESTDIR)$(USERUNITDIR)/%) \
		$(DESTDIR)$(SYSUSERSDIR)/holdfast.conf $(DESTDIR)$(DOCDIR)/README.md
	rm -rf $(DESTDIR)$(INCLUDEDIR)/holdfast $(DESTDIR)$(DOCDIR)/docs
	rmdir $(DESTDIR)$(DOCDIR) 2>/dev/null || true

clean:
	rm -rf build

help:
	@printf '%s\n' \
	'make              build build/release/holdfast and libholdfast.a' \
	'make man          the manual, in build/release/man' \
	'make deps         install the Debian packages that are missing (as root, or by sudo)' \
	'make check        build with -Werror, layers, unit tests under ASan and UBSan, system and attack tests' \
	'make check-attack stolen keys, lying replicas, hostile bytes: every row of the threats, as an attack' \
	'make check-fault  power cuts, failing disks and links at every step; check-fault-long: FAULT_OPS=1000000' \
	'make check-long   all of it, longer' \
	'make soak         real faults, as root, ten minutes: SOAK_SECONDS=600 SOAK_ONLY=power,room,broken,clock,pair;' \
	'                  soak-long: eight hours' \
	'make check-s3     buckets alone: a server that misbehaves, and a real one (Ceph)' \
	'make check-fuzz   fuzz every parser, FUZZ_SECONDS=60 each (clang)' \
	'make demo         the whole story in a minute, under ./demo      make demo-stop    end it' \
	'make bench        measure beside ext4, bindfs, mergerfs, gocryptfs, and judge the targets; BENCH_ROUNDS=3' \
	'                  BENCH_ONLY=figure,figure BENCH_FILESYSTEMS=ext4,bindfs,… BENCH_DIR=…' \
	'make bench-scale  how cost grows with the past: SCALE=1 SCALE_ONLY=name,name SCALE_KEEP=1 SCALE_DIR=…' \
	'make bench-replica  a node beside scp, rsync, restic, borg: REPLICA_SCALE=1 REPLICA_ONLY=name REPLICA_DIR=…' \
	'make asan | tsan  unit tests and a mount under a sanitizer       make layers       includes point down only' \
	'make tidy | format                                               make install | uninstall PREFIX= DESTDIR=' \
	'make deb          a Debian package, in build/deb                 make check-deb  tried on a fresh Debian 12 and testing' \
	'' \
	'CC= CFLAGS= LDFLAGS= CONFIG=release|debug|asan|tsan  V=1 shows commands  JOBS=n'
