# `make demo` shows an upgrade under load on real systemd, `make test` passes
# everything. Both install what they need (Debian and its derivatives, as root).

GO      ?= go
TOOL     = tool -modfile=$(CURDIR)/tools/go.mod
PROVE    = $(GO) -C integration run ./prove
VERSIONS = 254,257,262

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: tools ## an upgrade under load on real systemd, live in the terminal
	@$(PROVE) demo

.PHONY: test
test: tools check unit integration ## everything: checks, unit tests, integration tests on systemd 257

.PHONY: check
check: ## gofmt, vet, staticcheck, prose, govulncheck
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$unformatted" || { echo "not formatted: $$unformatted"; exit 1; }
	$(GO) vet ./...
	@for arch in 386 arm64 s390x; do GOARCH=$$arch $(GO) vet ./internal/standin || exit 1; done
	$(GO) vet -tags instar_distant ./internal/handover
	$(GO) -C integration vet ./...
	$(GO) -C examples/peers vet ./...
	$(GO) $(TOOL) staticcheck ./...
	$(GO) -C integration $(TOOL) staticcheck ./...
	$(GO) -C examples/peers $(TOOL) staticcheck ./...
	@$(GO) run ./scripts/prose >/dev/null || $(GO) run ./scripts/prose
	@scripts/vulncheck

.PHONY: prose
prose: ## words that hide a sentence's subject, per 1,000 words; fails above the budget
	@$(GO) run ./scripts/prose

.PHONY: surface
surface: ## exported names, requirements, lines, arrows among the rooms of reload, against their limits
	@$(GO) run ./scripts/surface

.PHONY: toolchains
toolchains: ## the library builds with the lowest Go that go.mod allows, and with the newest
	@scripts/toolchains

.PHONY: unit
unit: ## unit tests with the race detector
	$(GO) test -race $$($(GO) list ./... | grep -v -e /internal/generation$$)
	$(GO) test ./internal/generation # one goroutine, and a million worlds to see
	$(GO) -C integration test -race $$($(GO) -C integration list ./... | grep -v -e /integration$$)

.PHONY: explore
explore: ## every order of events in the state machine, the largest sets included
	INSTAR_EXPLORE=all $(GO) test -count=1 -timeout 60m -v -run '^TestEveryOrder$$' ./internal/generation | grep -v -e '^=== '

.PHONY: integration
integration: tools ## integration tests on systemd 257
	INSTAR_SYSTEMD=257 $(GO) -C integration test -count=1 -timeout 20m .

.PHONY: test-matrix
test-matrix: tools ## integration tests on systemd 254, 257 and 262
	INSTAR_SYSTEMD=$(VERSIONS) $(GO) -C integration test -count=1 -timeout 40m . ./machine

.PHONY: harms
harms: tools ## the harm that each rule of units.Verify warns of, on systemd 254, 257 and 262
	INSTAR_HARMS=1 INSTAR_SYSTEMD=$(VERSIONS) $(GO) -C integration test -count=1 -timeout 30m -run '^TestHarms$$' .

.PHONY: deb
deb: ## the Debian package, dist/instar_VERSION_ARCH.deb
	@scripts/deb

.PHONY: check-deb
check-deb: deb ## build it, and run lintian on it
	@scripts/install-tools lintian
	lintian --fail-on error,warning dist/instar_*.deb

.PHONY: bench-core
bench-core: tools ## the cost of Instar, as ratios within one run
	@$(PROVE) core

.PHONY: store
store: tools ## the store when every process dies: nothing is lost, and the cost, on systemd 254, 257 and 262
	@INSTAR_SYSTEMD=$${INSTAR_SYSTEMD:-$(VERSIONS)} $(PROVE) store

.PHONY: cli
cli: tools ## the command line sets up working services and tells the truth, on systemd 254, 257 and 262
	@INSTAR_SYSTEMD=$${INSTAR_SYSTEMD:-$(VERSIONS)} $(PROVE) cli

.PHONY: faults
faults: tools ## every fault at every step of an upgrade under load, on systemd 254, 257 and 262 (BUSY=15: on a full machine)
	@INSTAR_SYSTEMD=$${INSTAR_SYSTEMD:-$(VERSIONS)} $(PROVE) faults $(if $(BUSY),-busy $(BUSY))

.PHONY: libraries
libraries: tools ## 20 upgrades and 5 take backs of each kind under gRPC, DNS, SSE, WebSockets, fasthttp and SSH, on systemd 257
	@$(PROVE) libraries

.PHONY: soak
soak: tools ## 1,000 upgrades in a row under load, a tenth of them to bad builds, on systemd 257
	@$(PROVE) soak

.PHONY: h2idle
h2idle: tools ## 20 upgrades under 500 idle connections of HTTP/2, 40 ms away, on systemd 257
	@$(PROVE) h2idle

.PHONY: fuzz
fuzz: ## each fuzz target for a while (FUZZTIME=20s)
	@scripts/fuzz

.PHONY: tools
tools:
	@scripts/install-tools
