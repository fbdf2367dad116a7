# SPDX-License-Identifier: BSD-2-Clause
# make            builds build/libmtpreload.so and build/mtctl
# make demo       shows it at work; HOST="redis-server --port 7777" for another host
# make deps check installs what the tests need from Debian, then runs them
# make deps-live check-live  has more programs
# make install    DESTDIR= PREFIX=/usr/local
# make deps-next check-next  does so in Debian 13, as root
# Also: soak san tsan valgrind fuzz lint bench clean. V=1 shows the commands.

PREFIX     ?= /usr/local
BINDIR     ?= $(PREFIX)/bin
LIBDIR     ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
MANDIR     ?= $(PREFIX)/share/man

B        := build
CFLAGS   ?= -O2 -g
WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wconversion
ifdef WERROR
WARNINGS += -Werror
endif
CPPFLAGS += -D_GNU_SOURCE -Isrc -I.
ALL_CFLAGS := -std=c11 $(WARNINGS) -fvisibility=hidden $(CFLAGS)

# The library: position independent, any thread locals at a fixed offset, the malloc family not
# replaced by what the compiler knows of it.
LIB_CFLAGS  := -fPIC -ftls-model=initial-exec \
	$(addprefix -fno-builtin-,malloc calloc realloc free memalign aligned_alloc posix_memalign)
LIB_LDFLAGS := -shared -Wl,-soname,libmtpreload.so -Wl,--version-script=libmtpreload.map \
	-Wl,--sort-section=name -Wl,-z,noseparate-code -Wl,-z,nodelete -Wl,-z,now -Wl,-z,relro -Wl,-z,defs
LIB_LIBS    := -ldl -lpthread

LIB_SRC  := libmtpreload.c $(wildcard src/*/*.c)
LIB_OBJ  := $(LIB_SRC:%.c=$(B)/lib/%.o)
CTL_SRC  := $(wildcard mtctl/*.c src/base/*.c)
CTL_OBJ  := $(CTL_SRC:%.c=$(B)/ctl/%.o)
UNIT_SRC := $(wildcard tests/test_*.c)
UNIT_OBJ := $(UNIT_SRC:%.c=$(B)/unit/%.o)
# Unit tests link the library's parts without the doorway, which would replace their malloc.
UNIT_LIB := $(filter-out $(B)/lib/libmtpreload.o,$(LIB_OBJ))
UNIT_CTL := $(filter $(B)/ctl/mtctl/%,$(filter-out %/main.o,$(CTL_OBJ)))
VICTIMS  := $(patsubst tests/%.c,$(B)/tests/%,$(wildcard tests/host_*.c))
PLUGINS  := $(patsubst tests/%.c,$(B)/tests/%.so,$(wildcard tests/plugin*.c))
EXAMPLES := $(patsubst examples/%.c,$(B)/examples/%,$(wildcard examples/*.c))

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-5s %s\n' $(1) $(2))

.PHONY: all tests check check-live check-next demo deps deps-live deps-cross deps-next cross soak bench san tsan valgrind fuzz lint install uninstall clean
.DELETE_ON_ERROR:

all: $(B)/libmtpreload.so $(B)/mtctl

# Objects depend on this file, which changes when the compiler or its flags do.
FLAGS := $(CC) $(CPPFLAGS) $(ALL_CFLAGS) $(LIB_CFLAGS) $(LDFLAGS) $(LIB_LDFLAGS)
$(B)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(FLAGS)' | cmp -s - $@ || echo '$(FLAGS)' > $@
.PHONY: FORCE

$(B)/lib/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) $(LIB_CFLAGS) -MMD -MP -c $< -o $@

# Its assembler names functions of its own, which a whole program's optimiser would move or rename.
$(B)/lib/libmtpreload.o: ALL_CFLAGS += -fno-lto

$(B)/ctl/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

$(B)/libmtpreload.so: $(LIB_OBJ) libmtpreload.map
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $(LIB_LDFLAGS) $(LIB_OBJ) $(LIB_LIBS) -o $@

$(B)/mtctl: $(CTL_OBJ)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $(CTL_OBJ) -o $@

$(B)/unit/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) $(shell pkg-config --cflags check) -MMD -MP -c $< -o $@

$(B)/tests/unit: $(UNIT_OBJ) $(UNIT_LIB) $(UNIT_CTL)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $^ $(shell pkg-config --libs check) $(LIB_LIBS) -o $@

$(B)/tests/host_%: tests/host_%.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -fvisibility=default -fno-builtin $(LDFLAGS) $< -o $@ $(LIB_LIBS)

$(B)/tests/host_quiet $(B)/tests/host_points: tests/state.h
$(addprefix $(B)/tests/host_family,_none _stubs _four _some _all): tests/family.h
$(B)/tests/host_late_locks $(B)/tests/host_held_mutex: tests/forks.h

$(PLUGINS): $(B)/tests/%.so: tests/%.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) $(LDFLAGS) -fPIC -shared -fvisibility=default -fno-builtin $< -o $@

# Position dependent, so that malloc's address is a stub in the executable.
$(B)/tests/host_address $(B)/tests/host_family_stubs: ALL_CFLAGS += -fno-pie -no-pie

$(B)/examples/%: examples/%.c $(B)/flags include/mtpreload.h
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) $(LDFLAGS) -Iinclude $< -o $@

-include $(LIB_OBJ:.o=.d) $(CTL_OBJ:.o=.d) $(UNIT_OBJ:.o=.d)

# The storms, ten times as long, the slope of a leak over more than a minute, and check-next.
soak: tests
	B=$(B) MT_STORM=10 tests/run soak

# What `make check` needs, from Debian; deps-live: what the other targets need as well.
deps:
	tests/deps check

deps-live:
	tests/deps live

deps-cross:
	tests/deps cross

deps-next:
	tests/deps next

# All that the tests run, without running it.
tests: all $(B)/tests/unit $(VICTIMS) $(PLUGINS) $(EXAMPLES)

check: tests
	B=$(B) tests/run check

# Real programs, and what was seen of each for docs/programs.md.
check-live: tests
	B=$(B) tests/run check-live
	B=$(B) tests/programs

# `make check` in Debian 13, in a root below NEXT that is made once, for root only.
NEXT ?= $(B)/next
check-next:
	B=$(B) tests/next $(NEXT)

$(B)/bench/%: bench/%.c src/base/kernel.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) $(filter %.c,$^) -o $@

# Each call is made, though the result is not used.
$(B)/bench/heap $(B)/bench/loops $(B)/bench/trimmed: ALL_CFLAGS += -fno-builtin

BENCH_FLOORS := $(B)/bench/floor.so $(B)/bench/floor_thread.so $(B)/bench/floor_child.so
BENCH_LIBS := $(BENCH_FLOORS) $(B)/bench/stamp.so
$(B)/bench/floor_thread.so $(B)/bench/floor_child.so: ALL_CFLAGS += -DIDLE_THREAD
$(B)/bench/floor_child.so: ALL_CFLAGS += -DCHILD_THREAD
$(BENCH_FLOORS): bench/floor.c
$(B)/bench/stamp.so: bench/stamp.c
$(BENCH_LIBS): $(B)/flags
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) $(LIB_CFLAGS) -shared -Wl,-z,now $(filter %.c,$^) -o $@ $(LIB_LIBS)

BENCH_HOSTS := $(patsubst bench/%.c,$(B)/bench/%,$(filter-out %/floor.c %/stamp.c,$(wildcard bench/*.c)))
# BENCH="heap exec" for these parts alone, ROUNDS=1 for a first look.
bench: all $(BENCH_HOSTS) $(BENCH_LIBS)
	B=$(B) bench/run $(BENCH)

demo: all $(EXAMPLES)
	B=$(B) examples/demo $(HOST)

install: all
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(LIBDIR)/mtpreload $(DESTDIR)$(INCLUDEDIR)
	install -m 755 $(B)/mtctl $(DESTDIR)$(BINDIR)/mtctl
	install -m 755 $(B)/libmtpreload.so $(DESTDIR)$(LIBDIR)/mtpreload/libmtpreload.so
	install -m 644 include/mtpreload.h $(DESTDIR)$(INCLUDEDIR)/mtpreload.h

uninstall:
	rm -f $(DESTDIR)$(BINDIR)/mtctl $(DESTDIR)$(INCLUDEDIR)/mtpreload.h
	rm -f $(DESTDIR)$(LIBDIR)/mtpreload/libmtpreload.so
	-rmdir $(DESTDIR)$(LIBDIR)/mtpreload

clean:
	rm -rf $(B)

# The unit tests under AddressSanitizer and UBSan. The library itself replaces malloc, which is
# ASan's own way: in a program the two are not combined. It ends a process whose address space is limited.
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
san:
	$(MAKE) B=$(B)/san CFLAGS="-O1 -g $(SANITIZE)" LDFLAGS="$(SANITIZE)" $(B)/san/tests/unit
	MT_LEAVE_OUT=one_that_could_not_begin_is_lacking_after_a_moment B=$(B)/san tests/run unit

# The unit tests, and a host with threads, under ThreadSanitizer: a few minutes. By gcc, whose runtime is a library, and so an allocator behind the
# program; clang's would be part of it. It knows no fences, of which ours are for a kernel without membarrier.
tsan:
	$(MAKE) B=$(B)/tsan CC=gcc CFLAGS="-O1 -g -fsanitize=thread -Wno-tsan" LDFLAGS="-fsanitize=thread" \
		$(B)/tsan/tests/unit $(B)/tsan/tests/tsan_host
	B=$(B)/tsan tests/tsan

$(B)/tests/tsan_host: $(B)/unit/tests/tsan_host.o $(UNIT_LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -Wl,--wrap=real_in_path,--wrap=pthread_atfork,--wrap=thread_settle $^ $(LIB_LIBS) -o $@

# The unit tests, and hosts that have us preloaded, under memcheck: a few minutes.
valgrind: tests
	B=$(B) tests/valgrind

# For aarch64, by Debian's cross compiler and under qemu-user: the unit tests, and victims, with this machine's mtctl.
CROSS      := $(B)/cross
CROSS_ROOT := $(CURDIR)/$(CROSS)/root
# The loader is named in the programs: qemu-user's -L would take its directory for the root, /tmp and all.
CROSS_LIBC := /usr/aarch64-linux-gnu/lib
CROSS_LINK := -Wl,--dynamic-linker=$(CROSS_LIBC)/ld-linux-aarch64.so.1 -Wl,-rpath,$(CROSS_LIBC)
# The victims that are left out, of tests/host_*.c.
# A forked child that starts a thread aborts qemu-user 7.2, in any program. (Others fork with fork=off.)
CROSS_LEFT_OUT := adopt alone asan daemon handler_forks points
# A leader that ends before its threads stays a zombie. (So churn main, end thread and end strict are left out, too.)
CROSS_LEFT_OUT += last
# It starts programs of this machine, whose loader complains of the library.
CROSS_LEFT_OUT += spawn
# qemu-user refuses filters of system calls, and would itself be subject to them.
CROSS_LEFT_OUT += libseccomp sandbox seccomp
# It changes the user of all threads, and qemu-user has a thread of its own that keeps root's.
CROSS_LEFT_OUT += setuid
# It takes a user namespace, which a program with qemu-user's own threads may not.
CROSS_LEFT_OUT += takes_back
# It needs PR_SET_THP_DISABLE, which qemu-user refuses.
CROSS_LEFT_OUT += mallinfo
# In its root without /proc only fcntl(F_GETOWNER_UIDS) tells whether its user has a number, and qemu-user does not know it.
CROSS_LEFT_OUT += chroot
# Unit tests: qemu-user exchanges no signal's action in one step, and aborts where it delivers the C library's own signal.
CROSS_TESTS_LEFT_OUT := handler_that_the_c_library_sets_meanwhile_stays \
	sleeper_is_woken_by_the_handler_of_the_c_library_which_stays
# It tells no groups of a peer.
CROSS_TESTS_LEFT_OUT += user_is_not_let_in_where_we_are_in_a_group_of_which_he_is_not
cross: all
	tests/cross_root $(CROSS_ROOT)
	PKG_CONFIG_SYSROOT_DIR=$(CROSS_ROOT) PKG_CONFIG_LIBDIR=$(CROSS_ROOT)/usr/lib/aarch64-linux-gnu/pkgconfig \
		$(MAKE) B=$(CROSS) CC=aarch64-linux-gnu-gcc LDFLAGS="$(CROSS_LINK)" tests
	B=$(CROSS) MTCTL=$(CURDIR)/$(B)/mtctl MT_LEFT_OUT="$(CROSS_LEFT_OUT)" \
		MT_LEAVE_OUT="$(CROSS_TESTS_LEFT_OUT)" tests/run cross

# Each format and the argument binder for a minute: libFuzzer, under both sanitizers.
FUZZ_SECONDS ?= 60
FUZZERS := text json binrpc args
FUZZ_CC := clang $(CPPFLAGS) -std=c11 -O1 -g -fsanitize=fuzzer,address,undefined \
	-fno-sanitize-recover=undefined
FUZZ_SRC := $(wildcard src/*/*.c)
$(B)/fuzz/%: tests/fuzz_%.c tests/fuzz.h $(FUZZ_SRC) src/control/commands.def
	@mkdir -p $(@D)
	$(call say,FUZZ,$@)
	$(Q)$(FUZZ_CC) $< $(FUZZ_SRC) $(LIB_LIBS) -o $@

fuzz: $(FUZZERS:%=$(B)/fuzz/%)
	B=$(B) tests/fuzz $(FUZZ_SECONDS) $(FUZZERS)

SHELL_SCRIPTS := examples/demo tests/deps tests/cross_root tests/next .ci/run
lint:
	cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning,performance,portability \
		--inline-suppr --suppress=missingIncludeSystem -D_GNU_SOURCE -D__GNUC__=12 \
		-D__x86_64__ -D__LP64__ \
		-Isrc -I. \
		libmtpreload.c src mtctl examples
	clang-tidy --quiet $(LIB_SRC) $(wildcard mtctl/*.c) -- -std=c11 $(CPPFLAGS)
	shellcheck $(SHELL_SCRIPTS)
