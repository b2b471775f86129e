# Everything a newcomer types. `make demo` and `make test` do what is missing, and nothing twice.
# Dependencies build once, optimised, in the dev profile.

.DEFAULT_GOAL := help
.PHONY: help demo deb prove-deb pictures test build-tests prove prove-city hostile fuzz fuzz-api soak build setup setup-test setup-console setup-bench console models plates all-models clips bench bench-media bench-seeing schema fmt lint docs deny clean

# Debian's own, for its GStreamer bindings: another python3 may be first on PATH.
PYTHON ?= /usr/bin/python3
PACKAGE_VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
TARGET := $(or $(CARGO_TARGET_DIR),target)
CARGO_DENY := 0.20.2
# What `make prove` does; CI gives smaller numbers.
CUTS ?= 300
KILLS ?= 200
BACKLOG ?= 100000
NIGHT ?= 300
# A folder with model files, for who has no Internet; models/fetch looks there first.
export GRIDPOST_MODELS_FROM ?= $(abspath $(wildcard ../shared/models))
TOOLS ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/gridpost

help: ## what can be done
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22

# The model is fetched while the program is compiled.
demo: setup ## see it work: camera, button, grid; until Ctrl-C, or SECONDS=40
	@$(MAKE) --no-print-directory --jobs=2 build models
	@$(PYTHON) tests/rig/demo.py --gateway $(TARGET)/debug/gridpost $(if $(SECONDS),--seconds $(SECONDS))

test: setup-test ## all tests
	@$(MAKE) --no-print-directory --jobs=2 build-tests all-models clips
	@if cargo nextest --version >/dev/null 2>&1; then cargo nextest run --no-fail-fast; else cargo test --no-fail-fast; fi

prove: setup-test models clips ## the slow proofs in full: CUTS=300 power cuts, KILLS=200 kill -9, BACKLOG=100000 notices, NIGHT=300 s with attackers
	@GRIDPOST_CUTS=$(CUTS) GRIDPOST_KILLS=$(KILLS) GRIDPOST_BACKLOG=$(BACKLOG) GRIDPOST_NIGHT_SECONDS=$(NIGHT) \
		cargo nextest run --no-fail-fast --success-output immediate \
		-E 'test(/^(power_cut|kill|priorities|hostile::night)::/)'

prove-city: setup-test models ## a city's cases through desk and store, then the program on what is left: DAYS=365 at RATE=50 times the reference year
	@GRIDPOST_CITY_DAYS=$(or $(DAYS),365) GRIDPOST_CITY_RATE=$(or $(RATE),50) \
		cargo nextest run --release --no-capture -E 'test(/^city::a_city_/)'

# For another processor: BINARY=target/aarch64-unknown-linux-gnu/release/gridpost STRIP=aarch64-linux-gnu-strip, with its
# libonnxruntime.so in models/cache.
deb: setup models console ## a Debian package in target/deb, of a release build: VERSION=0.1.0-1
	@$(if $(BINARY),true,cargo build --release)
	@$(PYTHON) packaging/deb/build.py --binary $(or $(BINARY),$(TARGET)/release/gridpost) --version $(or $(VERSION),$(PACKAGE_VERSION)) --to $(TARGET)/deb $(if $(STRIP),--strip $(STRIP))

prove-deb: setup models console ## the package installed, used, upgraded, removed and purged in a clean Debian (root, mmdebstrap); BINARY=FILE
	@$(if $(BINARY),true,cargo build)
	@for version in 1 2; do $(PYTHON) packaging/deb/build.py --fast --binary $(or $(BINARY),$(TARGET)/debug/gridpost) \
		--version $(PACKAGE_VERSION)~proof$$version --to $(TARGET)/deb >/dev/null || exit 1; done
	@tests/rig/prove_deb.sh $(TARGET)/deb/gridpost_$(PACKAGE_VERSION)~proof1_*.deb $(TARGET)/deb/gridpost_$(PACKAGE_VERSION)~proof2_*.deb

hostile: setup-test models clips ## attacks at every door, longer: SECONDS=30 each, CONNECTIONS=2000 at a door, PRESSES=100000 of a mad button
	@ulimit -n 20000 2>/dev/null; GRIDPOST_HOSTILE_CONNECTIONS=$(or $(CONNECTIONS),2000) GRIDPOST_HOSTILE_PRESSES=$(or $(PRESSES),100000) \
		GRIDPOST_HOSTILE_SECONDS=$(or $(SECONDS),30) GRIDPOST_NIGHT_SECONDS=$$(( $(or $(SECONDS),30) * 9 )) \
		cargo nextest run --no-fail-fast --success-output immediate --test-threads 1 -E 'test(/^(hostile|doors_)/)'

fuzz-api: build ## every address of the web by its OpenAPI document, with schemathesis from PyPI: EXAMPLES=50 each
	@tests/rig/fuzz_api.sh $(TARGET)/debug/gridpost $(TARGET)/fuzz-api $(or $(EXAMPLES),50)

fuzz: setup ## every decoder of outside bytes, guided by coverage: SECONDS=60 each, ONLY="session config"
	@tests/fuzz/guided/run.sh $(or $(SECONDS),60) $(ONLY)

soak: setup-test models clips ## camera, broker and sink flap, MINUTES=10; memory, file handles and threads as a table
	@GRIDPOST_SOAK_SECONDS=$$(( $(or $(MINUTES),10) * 60 )) GRIDPOST_FLAT_PRESSES=$$(( $(or $(MINUTES),10) * 2000 )) \
		cargo nextest run --no-capture -E 'test(/^(soak|flat)::/)'

build-tests: setup-test console setup-console
	@if cargo nextest --version >/dev/null 2>&1; then cargo nextest run --no-run --cargo-quiet; else cargo test --quiet --no-run; fi

build: setup console ## the program, in target/debug
	@cargo build

setup: ## system packages for building and the demo
	@tests/rig/setup.sh demo

setup-test: ## and those that only tests need
	@tests/rig/setup.sh test

console: setup ## the officers' page, in target/console; the program is built with it
	@$(PYTHON) gateway/console/web/make.py $(TARGET)/console

setup-console: setup-test ## what drives the page in Chromium
	@$(PYTHON) gateway/console/web/make.py --packages tests/console

setup-bench: ## and those that only `make bench-media` needs
	@tests/rig/setup.sh bench

models: setup ## ONNX Runtime and the best model that can be had, in models/cache; GRIDPOST_MODELS_FROM=FOLDER has model files
	@$(PYTHON) models/fetch

plates: setup ## what reads number plates, in models/cache: no default, a site decides (models/catalog.toml says what the packages declare)
	@$(PYTHON) models/fetch --plates

all-models: setup # every default, for what compares them
	@$(PYTHON) models/fetch --all

clips: setup # the clips that tests play
	@tests/rig/clip.sh h264 >/dev/null
	@tests/rig/clip.sh h265 >/dev/null
	@$(PYTHON) tests/rig/scenes.py all >/dev/null
	@$(PYTHON) tests/rig/people.py all --small >/dev/null
	@$(PYTHON) tests/rig/disturbed.py all --small >/dev/null

bench: setup-test all-models clips ## speed and size on this machine, as a table (release build); ONLY="codecs press", SECONDS=10 an attack; a name it does not know lists all
	@GRIDPOST_BENCH_ONLY="$(ONLY)" $(if $(filter command line,$(origin SECONDS)),GRIDPOST_BENCH_SECONDS=$(SECONDS)) \
		cargo bench --bench bench

bench-media: setup-bench all-models ## gridpost beside its rivals on made streams; ONLY="rivals recall", SECONDS=30, CAMERAS="1 16"
	@cargo build --release
	@$(PYTHON) tests/bench/media/material.py >/dev/null
	@GRIDPOST_BENCH_SECONDS="$(if $(filter command line,$(origin SECONDS)),$(SECONDS))" GRIDPOST_BENCH_CAMERAS="$(CAMERAS)" \
		$(PYTHON) tests/bench/media/bench.py $(ONLY)

bench-seeing: setup models ## is it right what is seen? recall, identities, people in exactly one incident, false ones; ONLY="vtest six", SMALL=1
	@cargo build --release
	@GRIDPOST_SEEING_SMALL="$(SMALL)" $(PYTHON) tests/bench/seeing/seeing.py $(ONLY)

pictures: build-tests models clips ## the README's screenshots of the officers' page, in gateway/docs/pictures
	@cargo nextest run -E 'test(every_screen_in_both_languages)'
	@tests/rig/pictures.sh $(TARGET)/screens gateway/docs/pictures

schema: build ## the JSON Schemas in config/schema, from the types
	@$(TARGET)/debug/gridpost schema event >config/schema/event.v1.json
	@$(TARGET)/debug/gridpost schema config >config/schema/config.json
	@$(TARGET)/debug/gridpost schema api >config/schema/api.json

fmt: ## write all code in one style
	@cargo fmt

lint: ## the linter; a warning fails
	@cargo clippy --all-targets -- -D warnings

docs: ## the pages of the code; a warning fails
	@RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --document-private-items

deny: ## licences and origins of all dependencies
	@deny=$$(command -v cargo-deny || echo $(TOOLS)/bin/cargo-deny); \
	if [ "$$($$deny --version 2>/dev/null)" != "cargo-deny $(CARGO_DENY)" ]; then \
		deny=$(TOOLS)/bin/cargo-deny; \
		[ "$$($$deny --version 2>/dev/null)" = "cargo-deny $(CARGO_DENY)" ] || { \
			echo "deny: building cargo-deny $(CARGO_DENY) into $(TOOLS), once (some minutes)" >&2; \
			nice cargo install --quiet --locked cargo-deny --version $(CARGO_DENY) --root $(TOOLS); } || \
			{ echo "deny: cargo-deny $(CARGO_DENY) could not be built; the reason is above" >&2; exit 1; }; \
	fi; \
	$$deny --log-level error --config .cargo/deny.toml check licenses bans sources

clean: ## what was built; models and packages stay
	@cargo clean
