# SPDX-License-Identifier: Apache-2.0
# Two commands do everything on a fresh Debian 12: `make run` and `make test`.
.DEFAULT_GOAL := help
JOBS ?= $(shell nproc)
PORT ?= 8000
TIDEWATCH := build/release/bin/tidewatch

help:            ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## +/\t/' | expand -t 16

run: build       ## Install what is missing, build, start the engine with a demo stream
	@echo "Tidewatch starts; open the address below. Ctrl-C stops it."
	$(TIDEWATCH) serve --demo --port $(PORT) --data-dir build/demo-data

build:           ## Build the release binary, the dashboard inside
	@scripts/dependencies run
	@cmake --preset release > build-release.log 2>&1 || { cat build-release.log; exit 1; }; rm -f build-release.log
	@cmake --build --preset release -j $(JOBS) --target tidewatch

test:            ## Install what is missing, build, run every test
	@scripts/dependencies test
	@cmake --preset release > build-release.log 2>&1 || { cat build-release.log; exit 1; }; rm -f build-release.log
	@cmake --build --preset release -j $(JOBS)
	@ctest --test-dir build/release --output-on-failure -j $(JOBS)

asan:            ## Every test under AddressSanitizer and UBSan
	@scripts/dependencies test
	@cmake --preset asan > /dev/null && cmake --build --preset asan -j $(JOBS)
	@ctest --test-dir build/asan --output-on-failure -LE browser -j $(JOBS)

tsan:            ## Every test under ThreadSanitizer
	@scripts/dependencies test
	@cmake --preset tsan > /dev/null && cmake --build --preset tsan -j $(JOBS)
	@ctest --test-dir build/tsan --output-on-failure -LE browser -j $(JOBS)

lint:            ## clang-19 with thread-safety analysis, clang-tidy, formatting
	@scripts/dependencies lint
	@scripts/lint

format:          ## Format all C++ with the pinned clang-format
	@scripts/format

install: build   ## Copy the program to PREFIX (default /usr/local)
	@cmake --install build/release --prefix $(or $(PREFIX),/usr/local)

clean:           ## Remove everything that was built
	rm -rf build

.PHONY: help run build test asan tsan lint format install clean
