# Each line is a command that a person could type.

PREFIX = /usr/local
DESTDIR =
root = $(DESTDIR)$(PREFIX)
tools = $(notdir $(wildcard bin/*))
pipelines = $(notdir $(filter-out %.sh,$(wildcard pipelines/*)))
pages = $(wildcard man/man[157]/*)
# The Swift runtime libraries that the tools are linked with; none where it is linked statically.
runtime = $$(ldd $(tools:%=.build/release/%) | sed -n 's/.* => \(.*\/swift\/linux\/.*\) (.*/\1/p' | sort -u)

.PHONY: help setup build test test-versions test-stores test-kill test-wal-crash test-cdc-crash test-cdc-large test-sanitize demo bench man format lint install clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' Makefile | expand -t 24

setup: ## install what is missing for building and testing
	@Tests/Support/setup --build --test

build: ## build the tools (bin/ links to them)
	@Tests/Support/setup --build
	swift build -c release

test: setup build .build/support/io-faults.so ## run all tests; the last line counts them
	@Tests/run

test-versions: test-build ## run the end-to-end tests on PostgreSQL 16 and 18
	@Tests/Support/setup --versions
	SLUICE_PG_VERSION=16 Tests/run --only e2e
	SLUICE_PG_VERSION=18 Tests/run --only e2e

test-stores: test-build ## run the end-to-end tests on Ceph's S3 gateway
	@Tests/Support/setup --stores
	SLUICE_STORE=ceph Tests/run --only e2e

test-kill: test-build ## kill what makes and retires partitions or prepares transactions at every message to the server
	SLUICE_KILL_EVERY=1 BATS_TEST_TIMEOUT=3600 Tests/run --only e2e Tests/EndToEnd/pg-partapply-faults.bats Tests/EndToEnd/cdc-apply.bats

test-wal-crash: test-build ## kill server and receivers 20 times at random, and recover all; flip 1000 bytes, check 50 archives
	SLUICE_WAL_FLIPS=1000 SLUICE_WAL_ARCHIVES=50 SLUICE_WAL_CRASH_ROUNDS=20 BATS_TEST_TIMEOUT=3600 Tests/run --only e2e Tests/EndToEnd/wal-crash.bats Tests/EndToEnd/walcheck.bats

test-cdc-crash: test-build ## kill the pipe of changes at random, 50 rounds, and compare all
	SLUICE_CDC_CRASH_ROUNDS=50 BATS_TEST_TIMEOUT=3600 Tests/run --only e2e Tests/EndToEnd/cdc-crash.bats

test-cdc-large: test-build ## carry one transaction of 5 million rows, and have a sink stand still for a minute
	SLUICE_CDC_ROWS=5000000 SLUICE_CDC_STALL=60 BATS_TEST_TIMEOUT=3600 Tests/run --only e2e Tests/EndToEnd/cdc-large.bats

test-sanitize: build ## run the unit tests under the address and the thread sanitizer
	ASAN_OPTIONS=detect_leaks=0 swift test --disable-xctest --sanitize=address --scratch-path .build/address
	swift test --disable-xctest --sanitize=thread --scratch-path .build/thread

demo: test-build ## archive, verify, drop and restore a partition before your eyes
	@Tests/Support/demo

bench: test-build ## measure against peers, side by side
	@Tests/Support/setup --peers
	@Tests/Benchmarks/run

man: build ## write the manual pages from the option tables
	man/generate

format: ## format the sources in place
	swift format --in-place --recursive Package.swift Sources Tests

lint: ## check formatting
	swift format lint --strict --recursive Package.swift Sources Tests

install: build ## install tools, pipelines and manual pages under PREFIX
	install -d $(root)/bin $(root)/lib/sluice/pipelines $(root)/share/man/man1 $(root)/share/man/man5 $(root)/share/man/man7
	install -s -m 755 $(tools:%=.build/release/%) $(root)/bin
	install -m 755 $(wildcard pipelines/*) $(root)/lib/sluice/pipelines
	for pipeline in $(pipelines); do ln -sf ../lib/sluice/pipelines/$$pipeline $(root)/bin || exit; done
	for library in $(runtime); do install -m 644 "$$library" $(root)/lib/sluice || exit; done
	for page in $(pages); do install -m 644 "$$page" $(root)/share/man/$$(basename $$(dirname "$$page")) || exit; done

clean: ## remove what was built
	rm -rf .build

.PHONY: test-build
test-build: setup build .build/support/io-faults.so

.build/support/io-faults.so: Tests/Support/io-faults.c
	mkdir -p .build/support
	cc -std=gnu11 -O1 -Wall -Wextra -fPIC -shared -o $@ $< -ldl
