# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The front door. Every target installs the Debian packages it lacks, configures, builds and runs, so that a machine
# with nothing but git and make can start at any of them. Meson and ninja do the real work; see scripts/.

.POSIX:
.SUFFIXES:

PREFIX = /usr/local
DESTDIR =
BUILD = build
# Arguments handed on: make test ARGS=--quick, make bench ARGS=..., make soak ARGS=...
ARGS =

all: build

help:
	@echo 'make          build the library, the plugins and the examples in $(BUILD)/'
	@echo 'make demo     two programs with their own addresses talk over a virtual Ethernet'
	@echo 'make test     everything that can be tested here; ends with a line "N passed, N failed"'
	@echo '              (FULL=1 adds the second compiler, sanitizers, fuzzing and what takes long; IOTH_TEST_SERVERS=1 installs'
	@echo '              servers which Debian starts with the machine, to be tried on stacks: sshd, redis)'
	@echo 'make bench    the benchmarks, each beside its reference'
	@echo 'make soak     the lifetime tests with their full counts; takes long'
	@echo 'make install  install below PREFIX ($(PREFIX)), inside DESTDIR when it is given'
	@echo 'make format   rewrite the sources in the style of .clang-format'
	@echo 'make lint     clang-format, clang-tidy, cppcheck, shellcheck and pyflakes'
	@echo 'make coverage the tests once more, and which lines they reached'
	@echo 'make clean    remove the build directories'
	@echo
	@echo 'Missing Debian packages are installed on the way; IOTH_NO_INSTALL=1 only names them.'

build:
	@scripts/need build
	@scripts/configure $(BUILD)
	@ninja -C $(BUILD)

demo:
	@scripts/need build
	@scripts/configure $(BUILD)
	@ninja -C $(BUILD)
	@scripts/demo $(BUILD)

test:
	@scripts/need build test
	@scripts/need --optional test-extra
	@[ -z "$$CI$$IOTH_TEST_SERVERS" ] || scripts/need --optional test-servers
	@scripts/test-all $(ARGS)

bench:
	@scripts/need build bench
	@scripts/configure $(BUILD)-bench --buildtype=release -Dbench=true
	@ninja -C $(BUILD)-bench
	@IOTH_PLUGIN_PATH=$$PWD/$(BUILD)-bench/plugins $(BUILD)-bench/bench/ioth-bench $(ARGS)

soak:
	@scripts/need build test
	@scripts/configure $(BUILD)-soak --buildtype=release -Dtests=true
	@ninja -C $(BUILD)-soak
	@IOTH_PLUGIN_PATH=$$PWD/$(BUILD)-soak/plugins $(BUILD)-soak/tests/soak/ioth-lifetime --full $(ARGS)

install:
	@scripts/need build
	@scripts/configure $(BUILD)-install --buildtype=release --prefix=$(PREFIX) -Dexamples=false
	@ninja -C $(BUILD)-install
	@DESTDIR=$(DESTDIR) meson install -C $(BUILD)-install --no-rebuild
	@if [ -z '$(DESTDIR)' ] && [ "$$(id -u)" = 0 ]; then PATH=$$PATH:/sbin:/usr/sbin ldconfig; fi

format:
	@scripts/need lint
	@scripts/lint --format

lint:
	@scripts/need build test bench lint
	@scripts/lint

coverage:
	@scripts/need build test coverage
	@scripts/coverage

clean:
	rm -rf build build-*

.PHONY: all help build demo test bench soak install format lint coverage clean
