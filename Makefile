# The door to building, testing and packaging Heddle. CMakeLists.txt says how things are compiled;
# each build has a folder of its own, so none disturbs another. "make help" lists what there is.
#
#     make run              build it and start it on http://127.0.0.1:3000
#     make test T=json      only the unit tests whose name or file has "json" in it
#     make check C=tidy     only that check

PREFIX ?= /usr/local
DATA ?= data
LISTEN ?= 127.0.0.1:3000
FUZZ_SECONDS ?= 25
JOBS ?= $(shell nproc)
T ?=
C ?=

MAKEFLAGS += --no-print-directory
ninja = ninja -C $(1) -j $(JOBS) $(2)
# Configure the build folder $(1) with the settings $(2), once; later changes to CMakeLists.txt are ninja's.
configure = @test -f $(1)/build.ninja || cmake -S . -B $(1) -G Ninja $(2) --log-level=WARNING
gcc_only = -DCMAKE_C_COMPILER=gcc
clang_only = -DCMAKE_C_COMPILER=clang

.PHONY: build run test check fmt bench fuzz asan tsan coverage install package clean help
.PHONY: setup-build setup-test unit clang
.DEFAULT_GOAL := build

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

setup-build:
	@tools/setup.sh build
setup-test:
	@tools/setup.sh build test

build: setup-build ## build/heddle: the product, hardened, with the console inside
	@test ! -f web/package.json || tools/console.sh
	$(call configure,build,$(gcc_only) -DCMAKE_BUILD_TYPE=Release -DHEDDLE_CONSOLE=ON)
	@$(call ninja,build,)

run: build ## build it and start it, with its data in ./data
	@exec build/heddle serve --signin --data $(DATA) --listen $(LISTEN)

test: setup-test ## run all tests; T=name: only the unit tests with that in their name
	@$(if $(T),,$(MAKE) build)
	@$(MAKE) unit
	@tools/test.py $(T)

check: setup-test ## everything else CI looks at: style, analysis, sanitizers, fuzzing
	@$(MAKE) build
	@FUZZ_SECONDS=$(FUZZ_SECONDS) tools/check.py $(C)

fmt: setup-test ## format the C sources
	@git ls-files -z 'src/*.[ch]' 'test/*.[ch]' 'bench/*.[ch]' | xargs -0 -r clang-format -i

# Builds for looking closely; each runs the unit tests there (T=name as above).
unit: setup-test
	$(call configure,build-test,$(gcc_only))
	@$(call ninja,build-test,heddle_tests)
clang: setup-test
	$(call configure,build-clang,$(clang_only))
	@$(call ninja,build-clang,heddle_tests all)
asan: setup-test ## unit tests under AddressSanitizer and UBSan
	$(call configure,build-asan,$(gcc_only) -DHEDDLE_SANITIZE=address)
	@$(call ninja,build-asan,heddle_tests)
	@tools/test.py --unit build-asan $(T)
tsan: setup-test ## unit tests of runtime and store under ThreadSanitizer
	$(call configure,build-tsan,$(gcc_only) -DHEDDLE_SANITIZE=thread)
	@$(call ninja,build-tsan,heddle_tests)
	@tools/test.py --unit build-tsan $(or $(T),src/rt/ src/store/)
fuzz: setup-test ## each fuzz target for FUZZ_SECONDS
	$(call configure,build-fuzz,$(clang_only) -DHEDDLE_SANITIZE=address -DHEDDLE_FUZZ=ON)
	@$(call ninja,build-fuzz,fuzzers)
	@FUZZ_SECONDS=$(FUZZ_SECONDS) tools/fuzz.py build-fuzz $(T)
coverage: setup-test ## lines covered by the unit tests, as build-coverage/index.html
	@tools/setup.sh coverage
	$(call configure,build-coverage,$(gcc_only) -DCMAKE_BUILD_TYPE=Debug -DHEDDLE_COVERAGE=ON)
	@$(call ninja,build-coverage,heddle_tests)
	@tools/test.py --unit build-coverage $(T)
	@gcovr --root . --filter src/ --exclude '.*_test\.c' --html-details build-coverage/index.html \
	    --print-summary build-coverage

bench: build ## measure against the bars of bench/README.md
	@tools/setup.sh build bench
	@$(call ninja,build,benches)
	@bench/run

install: build ## install below PREFIX (and DESTDIR)
	@tools/install.sh "$(DESTDIR)" "$(PREFIX)"

package: build ## build/heddle_VERSION_ARCH.deb
	@tools/package.sh

clean: ## remove everything that was built, but not a Node that was fetched
	@rm -rf build-* web/dist
	@test ! -d build || find build -mindepth 1 -maxdepth 1 ! -name node -exec rm -rf {} +
