# Runsheet. "make" or "make help" lists what can be made.
#
# Time budget of "make test" plus "make verify" on 2 cores, in all under 45 minutes. A suite
# that grows beyond its line is made faster or moves to chaos. Judge by CPU seconds (user +
# sys), which other work on the machine changes least: 120 of them are a minute.
#
#   suite                                       minutes
#   setup (only on a fresh machine)                   7
#   vet, unit tests, store suite, e2e                 9
#   modules under e2e/ (power loss)                   3
#   race, -short                                      5
#   fuzz, 10,000 inputs a target                      1
#   quickstart and smoke                              1
#   browser: all on SQLite, 5 files on PostgreSQL     9
#   verify: generated, format, lint                   3
#   verify: tidy, dead code, cross builds, hash       3
#
# CPU seconds of the largest: e2e 400, browser 350 (SQLite 190), model of the queue on SQLite
# (T04) 70, api 75, queue 45, planner 25, linting all modules 160, one compilation for
# another platform 60.

.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory

export HOME := $(shell scripts/home.sh)
export CGO_ENABLED := 0
# In everything that builds: the tests and the release then share what is compiled, which
# -trimpath in one of them only would have done twice.
export GOFLAGS := $(strip $(filter-out -trimpath,$(GOFLAGS)) -trimpath)

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
GOBUILD := go build -ldflags "-s -w -X main.version=$(VERSION)"
GOTESTSUM = "$$(scripts/tool.sh gotestsum)" --format pkgname-and-test-fails --format-hide-empty-pkg
# "make vet" and the linters' own vet have looked at what the tests would look at again, and no
# debugger reads their binaries: to write what it needs is a third of the time of linking.
GOTEST := -vet=off -ldflags "-s -w"
# A count, because a fuzz run that ends by time now and then fails with "context
# deadline exceeded" without a finding.
FUZZTIME ?= 10000x
BENCH ?= .
# Packages whose memory the race detector does not watch: they share nothing of ours, and watching
# them triples the time and more. SQLite is C made into Go. What they are given is still watched
# where our packages, and those that read it for them (reflect, bytes, strings), touch it.
# Never a package that hands maps over through sync.Map or sync.Once, such as encoding/json: their
# atomics are compiled into it, so unwatched they order nothing, while the runtime still watches the
# maps, and calls a race what is none.
UNWATCHED := modernc.org/... golang.org/x/crypto/... github.com/pressly/goose/... github.com/danielgtaylor/huma/... \
	regexp/... compress/... unicode/...
# In this order: the client is made from the OpenAPI document, and deps comes last.
GENERATORS := states faults events kinds countries decorators schema openapi client deps

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/runsheet, static
	@mkdir -p bin
	@$(GOBUILD) -o bin/runsheet ./cmd/runsheet

.PHONY: run
run: ## build and start a server with demo data on 127.0.0.1:8420
	@echo "building bin/runsheet, which takes a minute the first time"
	@$(MAKE) build
	@exec bin/runsheet serve --demo

.PHONY: test
test: setup vet unit modules race fuzz quickstart smoke ui-e2e ## run every test, installing what they need on Debian

.PHONY: verify
verify: ## check generated files, format, lint, modules, dead code, builds, sizes
	@scripts/verify.sh

.PHONY: setup
setup: ## install the servers and tools that tests need (Debian-like machines)
	@scripts/setup.sh

.PHONY: vet
vet: ## run go vet
	go vet ./...

.PHONY: unit
unit: ## run unit tests, the store suite and the end-to-end tests
	$(GOTESTSUM) -- $(GOTEST) -timeout 20m ./...

.PHONY: modules
modules: ## run the test modules under e2e/ that have a go.mod of their own
	@for mod in $$(git ls-files -co --exclude-standard -- 'e2e/*go.mod'); do \
		echo "module $$(dirname $$mod)"; \
		(tool="$$(scripts/tool.sh gotestsum)"; cd "$$(dirname $$mod)" && go vet ./... && "$$tool" --format pkgname-and-test-fails -- $(GOTEST) -timeout 20m ./...); \
	done

.PHONY: race
race: ## run the short tests under the race detector
	CGO_ENABLED=1 $(GOTESTSUM) -- -race -short $(GOTEST) -timeout 25m $(UNWATCHED:%=-gcflags=%=-race=false) ./...

.PHONY: fuzz
fuzz: ## run each fuzz target FUZZTIME times (10000x; a duration such as 10m is possible)
	@FUZZTIME=$(FUZZTIME) scripts/fuzz.sh

.PHONY: quickstart
quickstart: ## do what the README's quickstart says
	@scripts/quickstart.sh

.PHONY: smoke
smoke: build ## start the built server, create one of everything, check it
	$(GOTESTSUM) -- $(GOTEST) -count=1 -run '^TestSmoke$$' ./e2e/...

.PHONY: llm-test
llm-test: ## build the LLM server for tests (minutes, once) and run the tests that need it
	@scripts/setup.sh
	@CI=1 $(GOTESTSUM) -- -count=1 -timeout 10m ./internal/llm/... ./internal/testsvc/... ./internal/task/...
	@CI=1 $(GOTESTSUM) -- -count=1 -timeout 10m -run 'LLM|Model|Prompt|Research|Story' ./e2e/...

.PHONY: e2e
e2e: build ## run the end-to-end tests only
	$(GOTESTSUM) -- -count=1 -timeout 10m ./e2e/...

.PHONY: chaos
chaos: build ## run the crash, freeze and disk tests at full size (long)
	RUNSHEET_CHAOS=full RUNSHEET_SIM_SEEDS=1000 $(GOTESTSUM) -- -count=1 -timeout 120m -run 'Histories|Simulation|StartsAsShown' ./internal/store/... ./internal/queue
	RUNSHEET_CHAOS=full $(GOTESTSUM) -- -count=1 -timeout 120m -run '^TestYear$$' ./internal/planner
	RUNSHEET_CHAOS=full $(GOTESTSUM) -- -count=1 -timeout 120m ./e2e/...
	cd e2e/powerloss && RUNSHEET_CHAOS=full POWERLOSS_SEEDS=20000 go test -count=1 -timeout 120m ./...

.PHONY: zones
zones: ## compare schedules with a slow reference in every time zone over 3 years (long)
	RUNSHEET_ZONES=full go test -count=1 -timeout 120m -run '^TestEveryZone$$' ./internal/schedule

SOAK_JOBS ?= 1000000

.PHONY: soak
soak: build ## let one server on each database run SOAK_JOBS jobs (1000000) beside forgotten sessions (hours)
	RUNSHEET_SOAK=$(SOAK_JOBS) $(GOTESTSUM) -- -count=1 -timeout 10h -parallel 1 -run '^TestSoak$$' ./e2e

.PHONY: bench
bench: build ## measure against the goals on SQLite and PostgreSQL, write docs/bench.md (long; BENCH_ARGS)
	@scripts/bench.sh $(BENCH_ARGS)

.PHONY: micro
micro: ## run the benchmarks of Go functions that match BENCH (all)
	go test -run '^$$' -bench '$(BENCH)' -benchmem -timeout 60m ./...

.PHONY: bench-peers
bench-peers: ## run durable steps beside other engines (quarter of an hour; bench/peers)
	cd bench/peers && go test -count=1 -timeout 5m . && go run . -json peers.json

.PHONY: bench-queues
bench-queues: ## run the queue beside queue libraries, write docs/bench.md (ten minutes; bench/queues; BENCH_ARGS)
	cd bench/queues && go test -count=1 -timeout 10m . && go run . -json queues.json -write ../../docs/bench.md $(BENCH_ARGS)

.PHONY: lint
lint: ## run the linters
	@"$$(scripts/tool.sh golangci-lint)" run ./...

.PHONY: fmt
fmt: ## format the sources
	@"$$(scripts/tool.sh golangci-lint)" fmt ./...

.PHONY: generate
generate: ## write the generated files: state documents, enums, errors.md, schema, deps.txt
	@for g in $(GENERATORS); do [ ! -d internal/gen/$$g ] || go run ./internal/gen/$$g; done

.PHONY: cross
cross: ## build the release binaries for all platforms into bin/
	@mkdir -p bin
	@for p in linux/amd64 linux/arm64 darwin/arm64 windows/amd64; do \
		ext=; [ "$${p%/*}" != windows ] || ext=.exe; \
		echo "bin/runsheet-$${p%/*}-$${p#*/}$$ext"; \
		GOOS=$${p%/*} GOARCH=$${p#*/} $(GOBUILD) -o "bin/runsheet-$${p%/*}-$${p#*/}$$ext" ./cmd/runsheet; \
	done

.PHONY: release
release: ## build the release archives, checksums and SBOMs into dist/
	@VERSION="$(filter-out dev,$(VERSION))" scripts/release.sh

.PHONY: ui
ui: ## build the web pages into ui/dist (needs Node 20)
	@scripts/ui.sh build

.PHONY: ui-test
ui-test: ## check the types, style and units of the web pages
	@scripts/ui.sh test

.PHONY: ui-e2e
ui-e2e: ## drive the built binary with a browser, on both databases (E2E=name chooses tests)
	@scripts/ui.sh e2e $(E2E)

.PHONY: screenshots
screenshots: ## take a picture of every web page into docs/screenshots
	@scripts/ui.sh screenshots

.PHONY: clean
clean: ## remove what was built; data folders stay
	rm -rf bin dist
