# kvnode: what people run. `make` alone lists the targets.

GO        ?= go
TOOL      := $(GO) tool -modfile=tools/go.mod
CORE      := ./clock ./engine ./engine/replica ./bus
PKG       ?= ./...
BENCH     ?= .
BENCHTIME ?= 1s
FUZZTIME  ?= 10s
MINUTES   ?= 10

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show this list.
	@awk 'BEGIN {FS = ":.*## "; print "make TARGET, where TARGET is one of\n"} \
	/^[a-z-]+:.*## / {printf "  %-11s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

.PHONY: check
check: fmt-check lint vet race ## Everything that must be green before a push.

.PHONY: fmt
fmt: ## Format the Go files in place (gofumpt).
	$(TOOL) gofumpt -w .

.PHONY: fmt-check
fmt-check: ## Show what `make fmt` would change, and fail if anything.
	@diff=$$($(TOOL) gofumpt -d .) || exit 1; \
	if [ -n "$$diff" ]; then echo "$$diff"; echo "not formatted: run make fmt"; exit 1; fi

# The linter itself is built for this machine, hence the two steps for the guests.
.PHONY: lint
lint: ## Run golangci-lint, on the host's packages and on the guests; it guards the import picture.
	$(TOOL) golangci-lint config verify
	$(TOOL) golangci-lint run $(PKG)
	GOOS=wasip1 GOARCH=wasm $$($(TOOL) -n golangci-lint) run ./plugins/sdk/... ./plugins/examples/...

.PHONY: vet
vet: ## Run go vet, on the host's packages and on the guests.
	$(GO) vet $(PKG)
	GOOS=wasip1 GOARCH=wasm $(GO) vet ./plugins/sdk/... ./plugins/examples/...

.PHONY: test
test: ## Run all tests (PKG=./clock for some).
	$(GO) test $(PKG)

.PHONY: race
race: ## Run all tests under the race detector.
	$(GO) test -race $(PKG)

.PHONY: race-core
race-core: ## The race detector on clock, engine and bus only (what CI has time for).
	$(GO) test -race $(CORE)

.PHONY: build
build: ## Build bin/kvnode.
	$(GO) build -trimpath -o bin/kvnode ./cmd/kvnode

.PHONY: demo
demo: ## Three nodes in one process: a split, a conflict, a heal.
	$(GO) run ./cmd/kvnode demo

.PHONY: bench
bench: ## Run benchmarks (PKG=./engine/replica BENCH=Receive BENCHTIME=5s).
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchtime $(BENCHTIME) -benchmem $(PKG)

# The go command fuzzes one target of one package at a time. Without a bound it spends most of the time on making each new input smaller.
.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME (10s).
	@grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' . | sed 's|/[^/]*:func | |' | sort | \
	while read -r pkg target; do \
		echo "==> $$pkg $$target"; \
		$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x "$$pkg" </dev/null || exit 1; \
	done

.PHONY: corpus
corpus: ## Load 10,000 damaged copies of small modules, and 100 of large ones; none may do harm (half a minute of one processor).
	$(GO) test -v -run DamagedCopies ./plugins -mutants 10000 -large-mutants 100

.PHONY: mutate
mutate: ## Break the engine's rules one at a time; its tests must notice (MUTANT=regexp ALL=1).
	$(GO) run ./engine/enginetest/mutate $(if $(ALL),-all) -run '$(MUTANT)'

.PHONY: torture
torture: ## Trouble a cluster of five real processes for MINUTES (10).
	$(GO) run ./cmd/kvnode torture --real --nodes 5 --minutes $(MINUTES)

.PHONY: split
split: ## Split a real cluster of three in network namespaces (root, Linux).
	scripts/split.sh

.PHONY: modules
modules: ## Rebuild the committed WebAssembly modules of the tests (needs wabt, clang, lld).
	testdata/modules/build.sh

.PHONY: examples
examples: ## Rebuild the committed example handlers (scripts/toolchains.sh installs what that needs).
	plugins/examples/build.sh

.PHONY: handlers
handlers: ## Test SDKs and examples in all languages, and hold what is built from source against the committed modules.
	scripts/handlers.sh

.PHONY: platform
platform: ## From nothing to a handler that judges conflicts on two nodes, in each language whose tools are here.
	scripts/platform.sh

.PHONY: ci
ci: ## What CI runs, all of it (root, installs packages).
	.ci/run

.PHONY: clean
clean: ## Remove what `make build` made.
	rm -rf bin
