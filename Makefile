SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.NOTPARALLEL:
.PHONY: build demo test check bench soak conformance fuzz deps

GO       ?= go
PKG      ?= ./...
BENCH    ?= .
FUZZTIME ?= 30s
TOOL     := $(GO) tool -modfile=tools/go.mod

# The commit is stamped into the binary where git can tell it.
VCS  := $(shell git rev-parse HEAD >/dev/null 2>&1 && echo auto || echo false)
# The race detector needs a C compiler; asked when the tests start, for deps may just have brought one.
RACE  = $(shell command -v gcc >/dev/null && echo -race)

build: ## the one binary
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=$(VCS) -o bin/busbar ./cmd/busbar

demo: deps build ## a whole site in one process
	bin/busbar demo --once

test: deps ## all tests, those against real peers too
	@[ -n "$(RACE)" ] || echo 'SKIP race detector: package gcc is not installed' >&2
	$(GO) test $(RACE) -shuffle=on ./...
	$(GO) test $(RACE) -shuffle=on -timeout 20m -tags interop ./interop/...
	@# With the race detector these two flip and draw a sample; here they do all.
	@[ -z "$(RACE)" ] || $(GO) test -run '^(TestE3|TestE13)' ./secure/e2e
	@[ -n "$(RACE)" ] && command -v softhsm2-util >/dev/null || echo 'SKIP keys in PKCS #11 tokens: packages gcc and softhsm2 are needed' >&2
	@[ -z "$(RACE)" ] || $(GO) test -tags pkcs11 -run '^TestKeyInAToken$$' ./secure/pki

check: ## format, vet, staticcheck, import policy, tidy modules
	@out=$$(gofmt -l .); [ -z "$$out" ] || { printf 'not formatted, run gofmt -w:\n%s\n' "$$out" >&2; exit 1; }
	$(GO) vet ./...
	$(GO) vet -tags interop ./...
	$(TOOL) staticcheck ./...
	$(TOOL) staticcheck -tags interop ./...
	$(GO) test ./internal/arch
	$(GO) mod tidy -diff
	$(GO) -C tools mod tidy -diff

bench: ## each benchmark five times, then median and spread; BENCH and PKG choose
	@out=$$(mktemp); trap 'rm -f "$$out"' EXIT; \
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem -count 5 $(PKG) | tee "$$out"; \
	$(TOOL) benchstat -confidence 0.9 busbar="$$out"

soak: build ## a thousand clients with bad connections at one broker, for half an hour; SOAK has other flags
	$(GO) run ./interop/cmd/soak $(SOAK)

conformance: ## write which tests try which conformance case and which attack into docs/conformance.md and docs/security.md
	$(GO) test ./internal/arch -run '^Test(Conformance|Security)PageIsOfTheTests$$' -args -write

fuzz: ## each fuzz target for FUZZTIME; PKG chooses
	FUZZTIME=$(FUZZTIME) .ci/fuzz $(PKG)

deps: ## the Debian packages that tests use, where they can be installed
	@.ci/deps
	@.ci/suites
