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
	@scripts/configure release
	@cmake --build --preset release -j $(JOBS) --target tidewatch

test:            ## Install what is missing, build, run every test
	@scripts/dependencies test
	@scripts/configure release
	@cmake --build --preset release -j $(JOBS)
	@ctest --test-dir build/release --output-on-failure -j $(JOBS)

asan:            ## Every test under AddressSanitizer and UBSan
	@scripts/dependencies test
	@scripts/configure asan && cmake --build --preset asan -j $(JOBS)
	@ctest --test-dir build/asan --output-on-failure -LE browser -j $(JOBS)

tsan:            ## Every test under ThreadSanitizer
	@scripts/dependencies test
	@scripts/configure tsan && cmake --build --preset tsan -j $(JOBS)
	@ctest --test-dir build/tsan --output-on-failure -LE browser -j $(JOBS)

lint:            ## clang-19 with thread-safety analysis, clang-tidy, formatting
	@scripts/dependencies lint
	@scripts/lint

bench:           ## Micro-benchmarks of every stage, and the tokenizer's speed
	@scripts/dependencies test
	@scripts/configure release -B build/bench -DTIDEWATCH_BENCHMARKS=ON -DTIDEWATCH_TESTS=OFF
	@cmake --build build/bench -j $(JOBS)
	@for program in $$(find build/bench -name '*_bench' -type f -perm -1); do echo "== $$program"; $$program || exit 1; done
	@build/bench/bin/tidewatch bench tokenize

fuzz:            ## The fuzz targets with libFuzzer under clang-19, a minute each
	@scripts/dependencies lint
	@scripts/configure lint -B build/fuzz -DTIDEWATCH_LIBFUZZER=ON -DTIDEWATCH_TESTS=OFF
	@cmake --build build/fuzz -j $(JOBS) --target tokenizer_fuzz decoder_fuzz
	@mkdir -p build/fuzz/new && for target in tokenizer decoder; do \
	  build/fuzz/fuzz/$${target}_fuzz -max_total_time=60 build/fuzz/new fuzz/corpus/$$target || exit 1; done

models:          ## Train every model anew from ../shared (one CUDA GPU; PYTHON has the packages)
	@models/train/make_models.sh ../shared build/models

format:          ## Format all C++ with the pinned clang-format
	@scripts/format

install: build   ## Copy the program to PREFIX (default /usr/local)
	@cmake --install build/release --prefix $(or $(PREFIX),/usr/local)

clean:           ## Remove everything that was built
	rm -rf build

.PHONY: help run build test asan tsan lint bench fuzz models format install clean
