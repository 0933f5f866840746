# make help lists the targets.

# Which tools to build with; each can be set on the command line.
GO      ?= go
PYTHON  ?= python3
NPM     ?= npm
CC      ?= cc
CXX     ?= c++

VERSION := $(shell awk '/^\#define CAPE_VERSION_(MAJOR|MINOR|PATCH) /{printf "%s%s", s, $$3; s="."}' include/cape.h)
MAJOR   := $(word 1,$(subst ., ,$(VERSION)))
VENV    := build/venv
NODE    := bindings/node
FFI_NAPI := tests/ffi-napi
WHEELS  := build/wheels
PACKING := build/packing

# The library shows exactly the functions of cape.h. pthread_getattr_np is wrapped because the Go
# runtime asks it on calls from foreign stacks, and it reads /proc/self/maps each time.
LIBRARY_LINK := '-Wl,--version-script=$(CURDIR)/export/libcape.map' -Wl,-soname,libcape.so.$(MAJOR) \
	-Wl,-z,now -Wl,--wrap=pthread_getattr_np
GOFLAGS_BUILD := -trimpath
STRIP         ?= -s -w

# The other kind of machine that packages are for, and Debian's compiler for it.
ifeq ($(shell uname -m),x86_64)
OTHER := arm64 aarch64 arm64
else
OTHER := amd64 x86_64 x64
endif
OTHER_GOARCH  := $(word 1,$(OTHER))
OTHER_MACHINE := $(word 2,$(OTHER))
OTHER_NODE    := linux-$(word 3,$(OTHER))
OTHER_CC      := $(OTHER_MACHINE)-linux-gnu-gcc
HAS_OTHER     := $(shell command -v $(OTHER_CC))
NO_OTHER       = echo "$@: there is none for linux/$(OTHER_GOARCH), which takes $(OTHER_CC): apt-get install gcc-$(subst _,-,$(OTHER_MACHINE))-linux-gnu"

# Where make install puts things; DESTDIR, when set, goes in front of all.
PREFIX     ?= /usr/local
LIBDIR     ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
BINDIR     ?= $(PREFIX)/bin
DATADIR    ?= $(PREFIX)/share

.DEFAULT_GOAL := help
.PHONY: help build install uninstall abidiff bindings npm-pack docs docs-python docs-node demo test check test-go test-python test-node bench fuzz soak soak-load soak-serdio soak-sanitizers soak-race soak-pointers soak-valgrind clean always

help: ## show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' Makefile

build: build/libcape.so build/cape build/share/.ready ## the library and the command line, in build/

build/$(OTHER_NODE)/libcape.so: export GOARCH = $(OTHER_GOARCH)
build/$(OTHER_NODE)/libcape.so: export CC = $(OTHER_CC)

build/libcape.so build/abidiff/libcape.so build/$(OTHER_NODE)/libcape.so: always
	CGO_ENABLED=1 $(GO) build $(GOFLAGS_BUILD) -buildmode=c-shared \
		-ldflags "$(STRIP) -extldflags \"$(LIBRARY_LINK)\"" -o $@ ./export
	@rm -f $(@:.so=.h)
	@ln -sf libcape.so $@.$(MAJOR)

build/cape: always
	CGO_ENABLED=0 $(GO) build $(GOFLAGS_BUILD) -ldflags '-s -w -X main.version=$(VERSION)' -o $@ ./capelib/cmd/cape

# The man pages, and the completions for shells.
build/share/.ready: include/cape.h go.mod $(shell find capelib core -name '*.go' ! -name '*_test.go')
	@rm -rf build/share
	GOOS= GOARCH= CGO_ENABLED=0 $(GO) run -trimpath -tags manual -ldflags '-X main.version=$(VERSION)' ./capelib/cmd/cape manual build/share
	@touch $@

CMAKEDIR := $(LIBDIR)/cmake/cape
SHARED    = $(shell cd build/share 2>/dev/null && find . -type f ! -name .ready)
FILL     := sed -e 's|@VERSION@|$(VERSION)|g' -e 's|@MAJOR@|$(MAJOR)|g'

# It builds nothing, so that root can run it without a Go of its own.
install: ## what was built, into PREFIX (/usr/local), LIBDIR and so on, below DESTDIR
	@for file in build/libcape.so build/cape build/share/.ready; do \
		test -e $$file || { echo "$$file is missing: run make build first" >&2; exit 1; }; done
	install -d "$(DESTDIR)$(BINDIR)" "$(DESTDIR)$(INCLUDEDIR)" "$(DESTDIR)$(LIBDIR)/pkgconfig" "$(DESTDIR)$(CMAKEDIR)"
	install -m 755 build/cape "$(DESTDIR)$(BINDIR)/cape"
	install -m 644 include/cape.h include/cape.hpp "$(DESTDIR)$(INCLUDEDIR)/"
	install -m 755 build/libcape.so "$(DESTDIR)$(LIBDIR)/libcape.so.$(VERSION)"
	ln -sf libcape.so.$(VERSION) "$(DESTDIR)$(LIBDIR)/libcape.so.$(MAJOR)"
	ln -sf libcape.so.$(MAJOR) "$(DESTDIR)$(LIBDIR)/libcape.so"
	below() { case "$$1" in "$(PREFIX)"/*) echo "\$${prefix}$${1#"$(PREFIX)"}";; *) echo "$$1";; esac; }; \
	$(FILL) -e 's|@PREFIX@|$(PREFIX)|' -e "s|@LIBDIR@|$$(below "$(LIBDIR)")|" -e "s|@INCLUDEDIR@|$$(below "$(INCLUDEDIR)")|" \
		export/install/cape.pc.in >"$(DESTDIR)$(LIBDIR)/pkgconfig/cape.pc"
	$(FILL) -e "s|@INCLUDE_FROM_HERE@|$$(realpath -m --relative-to="$(CMAKEDIR)" "$(INCLUDEDIR)")|" \
		export/install/capeConfig.cmake.in >"$(DESTDIR)$(CMAKEDIR)/capeConfig.cmake"
	$(FILL) export/install/capeConfigVersion.cmake.in >"$(DESTDIR)$(CMAKEDIR)/capeConfigVersion.cmake"
	for file in $(SHARED); do install -D -m 644 "build/share/$$file" "$(DESTDIR)$(DATADIR)/$$file" || exit; done

PAGES       := cape cape-config cape-delete cape-deploy cape-enclave cape-encrypt cape-function cape-function-create cape-get-pcrs \
	cape-key cape-list cape-login cape-run cape-test cape-token cape-token-create cape-token-delete cape-token-list cape-verify cape-version
COMPLETIONS := bash-completion/completions/cape zsh/site-functions/_cape fish/vendor_completions.d/cape.fish

uninstall: ## remove what make install put there, with the same PREFIX, LIBDIR and so on
	rm -f "$(DESTDIR)$(BINDIR)/cape" "$(DESTDIR)$(INCLUDEDIR)/cape.h" "$(DESTDIR)$(INCLUDEDIR)/cape.hpp"
	cd "$(DESTDIR)$(LIBDIR)" && rm -f libcape.so libcape.so.$(MAJOR) libcape.so.$(VERSION) pkgconfig/cape.pc && rm -rf cmake/cape
	cd "$(DESTDIR)$(DATADIR)" && rm -f $(PAGES:%=man/man1/%.1) $(COMPLETIONS)

# Both with debug information, which tells the types. New functions are no difference that matters.
abidiff: ## compare the C interface with that of the last release (needs abidiff: Debian's abigail-tools)
	@tag=$$(git describe --tags --abbrev=0 --match 'v[0-9]*' 2>/dev/null); \
	if [ -z "$$tag" ]; then echo "abidiff: there is no release yet, no tag v*, to compare with"; exit 0; fi; \
	if ! command -v abidiff >/dev/null; then echo "abidiff: the command is missing, so nothing is compared: apt-get install abigail-tools"; exit 0; fi; \
	set -e; rm -rf build/abidiff; mkdir -p build/abidiff/last; \
	git archive "$$tag" | tar -x -C build/abidiff/last; \
	$(MAKE) -s -C build/abidiff/last build/libcape.so STRIP=; \
	$(MAKE) -s build/abidiff/libcape.so STRIP=; \
	abidiff --no-added-syms --headers-dir1 build/abidiff/last/include --headers-dir2 include \
		build/abidiff/last/build/libcape.so build/abidiff/libcape.so; \
	echo "abidiff: programs that were built against $$tag run with this library"

bindings: $(VENV)/.ready $(NODE)/dist/.ready ## the Python environment build/venv, and the Node package compiled

$(VENV)/.ready: bindings/python/pyproject.toml bindings/python/setup.py bindings/python/requirements-dev.txt include/cape.h
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r bindings/python/requirements-dev.txt
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -e bindings/python
	@touch $@

$(NODE)/node_modules/.ready: $(NODE)/package.json $(NODE)/package-lock.json
	cd $(NODE) && $(NPM) ci --no-fund --no-audit --loglevel=error
	@touch $@

$(NODE)/dist/.ready: $(NODE)/node_modules/.ready $(shell find $(NODE)/src -name '*.ts') $(wildcard $(NODE)/tsconfig*.json) $(NODE)/entries.mjs $(NODE)/prune.mjs
	cd $(NODE) && $(NPM) run --silent build
	@touch $@

npm-pack: build bindings $(if $(HAS_OTHER),build/$(OTHER_NODE)/libcape.so) ## the Node packages, in build/ as .tgz, with the library for this machine, and for the other kind where Debian's cross compiler is
	@$(if $(HAS_OTHER),,rm -rf build/$(OTHER_NODE); $(NO_OTHER))
	@cd $(NODE) && node pack.mjs ../../build

# What packs. The wheels that pip gets from elsewhere are there so that tests need no network.
$(PACKING)/.ready: bindings/python/requirements-wheel.txt bindings/python/requirements-dev.txt
	rm -rf $(PACKING)
	$(PYTHON) -m venv $(PACKING)
	$(PACKING)/bin/python -m pip install --quiet --disable-pip-version-check -r bindings/python/requirements-wheel.txt
	$(PACKING)/bin/python -m pip download --quiet --disable-pip-version-check --no-deps --dest $(PACKING)/house \
		$$(grep -hE '^(setuptools|msgpack)==' bindings/python/requirements-*.txt)
	@touch $@

# The source distribution makes the wheel, so it is known to be whole. Of one commit both are always
# the same: the times in them are the commit's. auditwheel finds the tag: which glibc the library needs.
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 315532800)
PACK := SOURCE_DATE_EPOCH=$(SOURCE_DATE_EPOCH) PATH="$(CURDIR)/$(PACKING)/bin:$$PATH" sh -e -c
LOG  := >build/packing.log 2>&1 || { cat build/packing.log >&2; exit 1; }
PACK_SOURCES := umask 022; python -m build --no-isolation --sdist --outdir $(WHEELS) bindings/python
PACK_WHEEL   := umask 022; rm -rf $(WHEELS)/.raw; \
	pip wheel --no-deps --no-build-isolation --wheel-dir $(WHEELS)/.raw $(WHEELS)/libcape-$(VERSION).tar.gz; \
	auditwheel repair --wheel-dir $(WHEELS) $(WHEELS)/.raw/*.whl; rm -rf $(WHEELS)/.raw

$(WHEELS)/.ready: $(PACKING)/.ready Makefile go.mod go.sum $(shell find core capelib export include bindings/python/pycape bindings/python/serdio \
		-type f ! -name '*_test.go' ! -name '*.pyc') $(wildcard bindings/python/*.py bindings/python/*.toml bindings/python/*.in bindings/python/*.md)
	rm -rf $(WHEELS)
	@$(PACK) '$(PACK_SOURCES)' $(LOG)
	@$(PACK) '$(PACK_WHEEL)' $(LOG)
	@touch $@

wheel: $(WHEELS)/.ready ## the Python packages in build/wheels: as source, for this machine, and for the other kind where Debian's cross compiler is
	@$(if $(HAS_OTHER),ls $(WHEELS)/*_$(OTHER_MACHINE).whl >/dev/null 2>&1 || \
		{ GOARCH=$(OTHER_GOARCH) CC=$(OTHER_CC) $(PACK) '$(PACK_WHEEL)' $(LOG); },$(NO_OTHER))
	@cd $(WHEELS) && wc -c libcape-*

DOCS := build/docs

docs: docs-python docs-node ## the documentation of the packages, in build/docs

$(DOCS)/.tools/.ready: bindings/python/docs/requirements.txt
	rm -rf $(DOCS)/.tools
	$(PYTHON) -m venv $(DOCS)/.tools
	$(DOCS)/.tools/bin/python -m pip install --quiet --disable-pip-version-check -r bindings/python/docs/requirements.txt
	@touch $@

docs-python: $(DOCS)/.tools/.ready
	PYTHONPATH=bindings/python $(DOCS)/.tools/bin/python -m sphinx -q -E -n -W --keep-going -d $(DOCS)/.python \
		bindings/python/docs $(DOCS)/python

$(DOCS)/.node/.ready: $(NODE)/docs/package.json $(NODE)/docs/package-lock.json
	rm -rf $(@D); mkdir -p $(@D)
	cp $(NODE)/docs/package.json $(NODE)/docs/package-lock.json $(@D)
	cd $(@D) && $(NPM) ci --no-fund --no-audit --loglevel=error
	@touch $@

docs-node: $(DOCS)/.node/.ready $(NODE)/node_modules/.ready
	$(DOCS)/.node/node_modules/.bin/typedoc --logLevel Warn --options $(NODE)/docs/typedoc.json --out $(DOCS)/node

build/demo-c: build/libcape.so include/cape.h $(wildcard tests/c/example*.c tests/c/*.h)
	$(CC) -std=c11 -Wall -Wextra -Werror -O2 -Iinclude -o $@ tests/c/example.c -Lbuild -lcape -Wl,-rpath,'$$ORIGIN'

build/demo-cpp: build/libcape.so include/cape.h include/cape.hpp tests/cpp/example.cpp tests/cpp/json.hpp
	$(CXX) -std=c++17 -Wall -Wextra -Werror -O2 -Iinclude -o $@ tests/cpp/example.cpp -Lbuild -lcape -Wl,-rpath,'$$ORIGIN'

build/demo-go: always
	$(GO) build -o $@ ./tests/go

demo: build bindings build/demo-c build/demo-cpp build/demo-go ## start a local enclave and call it from C, C++, Go, Python and Node
	@$(GO) run ./tests/demo

test: test-go test-python test-node ## every suite

# -count=1, because Go's cache of results does not see what the tests run: the command, the C
# programs, the packages.
test-go: build bindings $(WHEELS)/.ready build/demo-c build/demo-cpp build/demo-go
	CAPE_PYTHON="$(CURDIR)/$(VENV)/bin/python" $(GO) test -count=1 -timeout 9m ./...

test-python: build bindings
	$(VENV)/bin/python -m pytest -q bindings/python/tests

test-node: build bindings $(FFI_NAPI)/node_modules/.ready
	cd $(NODE) && $(NPM) test --silent
	cd $(FFI_NAPI) && $(NPM) test --silent

# It compiles what it installs, with the headers that lie beside Node if they are there. Where that
# cannot be, the test is skipped and says what it needs.
$(FFI_NAPI)/node_modules/.ready: $(FFI_NAPI)/package.json $(FFI_NAPI)/package-lock.json
	@mkdir -p build
	@cd $(FFI_NAPI) && prefix="$$(node -p 'path.resolve(process.execPath, "../..")')" && \
		if test -e "$$prefix/include/node/node.h"; then export npm_config_nodedir="$${npm_config_nodedir-$$prefix}"; fi && \
		if $(NPM) ci --no-fund --no-audit --foreground-scripts >"$(CURDIR)/build/ffi-napi.log" 2>&1; then touch node_modules/.ready; \
		else echo "ffi-napi could not be installed, build/ffi-napi.log says why"; fi

STATICCHECK := $(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2

check: bindings ## format, vet, staticcheck, types, and that the other platforms compile
	@unformatted="$$(gofmt -l core capelib export include tests)"; \
		if [ -n "$$unformatted" ]; then echo "not formatted, run gofmt -w on: $$unformatted" >&2; exit 1; fi
	$(GO) mod tidy -diff
	$(GO) build ./...
	$(GO) vet ./...
	$(GO) vet -tags manual ./capelib/cmd/cape
	$(STATICCHECK) ./...
	$(STATICCHECK) -tags manual ./capelib/cmd/cape
	GOOS=darwin CGO_ENABLED=0 $(GO) build ./core/... ./capelib/...
	GOOS=windows CGO_ENABLED=0 $(GO) build ./core/... ./capelib/...
	GOOS=linux GOARCH=arm64 CGO_ENABLED=0 $(GO) build ./core/... ./capelib/...
	$(GO) test ./tests/layout
	@$(MAKE) --no-print-directory abidiff
	cd bindings/python && ../../$(VENV)/bin/python -m mypy --strict pycape serdio
	cd $(NODE) && $(NPM) run --silent check

SECONDS ?= 75
SIZES   ?= 64,65536,1048576,16777216

bench: build bindings ## what a call costs in each language, for SECONDS (75) and SIZES (64,65536,1048576,16777216 bytes)
	$(GO) build -o build/bench ./tests/bench
	build/bench -seconds $(SECONDS) -sizes $(SIZES) -json build/bench.json -cc "$(CC)" $(BENCH)
	node tests/bench/eventloop.mjs $(VENV)/bin/python 5

FUZZTIME ?= 30s

fuzz: ## every fuzz target, FUZZTIME each (30s)
	@set -e; for package in $$($(GO) list ./core/... ./capelib/...); do \
		for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
			echo "$$package $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 100x $$package; \
		done; \
	done

soak: soak-load soak-serdio soak-sanitizers soak-race soak-pointers soak-valgrind ## what takes minutes: load, a million damaged messages, sanitizers, race detector, pointer checks, valgrind

soak-load: build
	CAPE_SOAK=1 $(GO) test -count=1 -v -timeout 40m ./tests/soak

# Of each message Go and Python must think the same; CAPE_SEED gives others.
soak-serdio: bindings
	CAPE_SOAK=1 CAPE_PYTHON="$(CURDIR)/$(VENV)/bin/python" $(GO) test -count=1 -v -timeout 40m -run '^TestGoAndPythonAgree' ./core/serdio

# The C and C++ programs of the tests, each with a library built for the purpose.
SOAK_PROGRAMS = CAPE_SOAK=1 CAPE_PYTHON="$(CURDIR)/$(VENV)/bin/python" $(GO) test -count=1 -timeout 40m ./tests/c/suite -run

soak-sanitizers: build bindings
	$(SOAK_PROGRAMS) '^TestSanitizers'

# These measure memory and time, of which the race detector takes several times as much.
RACE_SKIP := ^(TestDecodeAllocatesInProportionToItsInput|TestALargeInputDoesNotKeepACallBeyondItsDeadline)$$

soak-race: build bindings
	$(SOAK_PROGRAMS) '^TestRaceDetector'
	CAPE_PYTHON="$(CURDIR)/$(VENV)/bin/python" $(GO) test -race -count=1 -timeout 40m -skip '$(RACE_SKIP)' ./core/... ./capelib/... ./export

soak-pointers: build bindings
	$(SOAK_PROGRAMS) '^TestPointerChecks'

soak-valgrind: build bindings
	$(SOAK_PROGRAMS) '^TestValgrind'

clean: ## remove what was built
	rm -rf build $(NODE)/dist $(NODE)/node_modules $(FFI_NAPI)/node_modules bindings/python/build bindings/python/*.egg-info \
		bindings/python/.hypothesis bindings/python/.pytest_cache bindings/python/.mypy_cache

always:
