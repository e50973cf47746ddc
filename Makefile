# Hearken: what a person types. `make help` lists it.

# What Debian 12 needs for the build, the tests and the demonstration.
PACKAGES := gcc g++ cmake make pkg-config libasound2-dev libclang-dev ca-certificates
# A Rust that is new enough; Debian's own where there is none. Debian 12 has 1.96 in its security archive as *-web.
RUST_PACKAGES := rustc-web cargo-web
LEAST_RUST := 1.88
# Minutes that the soak takes.
SOAK_MINUTES ?= 60
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
CARGO = PATH="$$PATH:$$HOME/.cargo/bin" cargo

.PHONY: help setup build demo test fuzz fuzz-ci bench soak lint clean

help:
	@echo 'make demo    the daemon on a virtual microphone: recorded sentences switch simulated pins (sets up first)'
	@echo 'make test    all tests (sets up first)'
	@echo 'make fuzz    a million made-up configurations, templates, sounds and events: a minute or two'
	@echo 'make build   target/release/hearken'
	@echo 'make bench   how long a decision takes, against stock whisper on the same clip'
	@echo 'make soak    a day of sound through the daemon in an hour, with faults: does anything leak? SOAK_MINUTES=$(SOAK_MINUTES)'
	@echo 'make lint    formatting and clippy'
	@echo 'make setup   install what is missing: $(PACKAGES), and a Rust of at least $(LEAST_RUST)'
	@echo 'make clean   remove what was built'

setup:
	@missing=''; \
	for package in $(PACKAGES); do \
	  dpkg-query -W -f='$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$package"; \
	done; \
	rust=$$($(CARGO) --version 2>/dev/null | cut -d ' ' -f 2); \
	oldest=$$(printf '%s\n' $(LEAST_RUST) "$${rust:-0}" | sort -V | head -n 1); \
	[ "$$oldest" = $(LEAST_RUST) ] || missing="$$missing $(RUST_PACKAGES)"; \
	[ -n "$$missing" ] || exit 0; \
	echo "setup: installing$$missing"; \
	$(SUDO) apt-get update && $(SUDO) env DEBIAN_FRONTEND=noninteractive \
	  apt-get install -y --no-install-recommends $$missing

build: setup
	$(CARGO) build --release --locked

# Built and run in one profile: whisper.cpp is compiled once.
demo: setup
	$(CARGO) build --release --locked --bin hearken --example demo
	target/release/examples/demo

test: setup
	$(CARGO) test --release --locked

# Ten laws, and so many cases of each; the last line before the result says how many there were.
CASES := 100000
fuzz: setup
	PROPTEST_CASES=$(CASES) $(CARGO) test --release --locked --test hearken properties:: -- --nocapture

# The same laws under libFuzzer, for a minute, where there is one.
fuzz-ci:
	tests/fuzz/run 12

bench: setup
	$(CARGO) bench --locked

soak: setup
	$(CARGO) build --release --locked --bin hearken --example soak
	target/release/examples/soak --minutes $(SOAK_MINUTES)

lint:
	$(CARGO) fmt --check
	$(CARGO) clippy --release --locked --all-targets -- -D warnings

clean:
	$(CARGO) clean
