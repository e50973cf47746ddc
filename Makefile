# Hearken: what a person types. `make help` lists it.

# The board to build for: a folder of boards/. "host" is this machine.
BOARD ?= host
# What Debian 12 needs for the build, the tests and the demonstration.
PACKAGES := gcc g++ cmake make pkg-config libasound2-dev libclang-dev ca-certificates
# A Rust that is new enough; Debian's own where there is none. Debian 12 has 1.96 in its security archive as *-web.
RUST_PACKAGES := rustc-web cargo-web
LEAST_RUST := 1.88
# Minutes that the soak takes.
SOAK_MINUTES ?= 60
# Hours of speech that is no command.
HOURS ?= 10
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
CARGO = PATH="$$PATH:$$HOME/.cargo/bin" cargo

# Of the board's file: the Rust target, empty for this machine's own, and the processor that ggml is compiled for.
fact = $(shell sed -n 's/^$(1) = "\(.*\)"$$/\1/p' boards/$(BOARD)/board.toml)
$(if $(wildcard boards/$(BOARD)/board.toml),,$(error there is no board "$(BOARD)"; there are: $(notdir $(wildcard boards/*pi-*)) host))
TARGET := $(call fact,target)
CPU := $(call fact,cpu)
RELEASE := target/release
ifneq ($(TARGET),)
# One directory a processor, in which nothing of another is used again: ggml's build does not notice that it changes.
RELEASE := target/$(CPU)/$(TARGET)/release
CROSS := CARGO_TARGET_DIR='target/$(CPU)' GGML_NATIVE=OFF GGML_CPU_ARM_ARCH='$(CPU)' PKG_CONFIG_ALLOW_CROSS=1 \
  PKG_CONFIG_LIBDIR=/usr/lib/aarch64-linux-gnu/pkgconfig:/usr/share/pkgconfig \
  CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
PACKAGES += gcc-aarch64-linux-gnu g++-aarch64-linux-gnu libasound2-dev:arm64
# The Rust at hand if it has the target's library (with rustup: `rustup target add $(TARGET)`), else Debian's.
ifeq ($(wildcard $(shell PATH="$$PATH:$$HOME/.cargo/bin" rustc --print target-libdir --target $(TARGET) 2>/dev/null)/libstd-*.rlib),)
CARGO = RUSTC=/usr/bin/rustc /usr/bin/cargo
PACKAGES += libstd-rust-web-dev:arm64
endif
endif

.PHONY: help setup build for-a-board check-binary instructions deb for-a-device flash logs unflash demo test test-page test-clients \
  tools test-metrics test-mqtt test-discovery test-service \
  test-package test-flash test-kernel pi test-pi test-sd fuzz fuzz-ci bench bench-check book pages endpoint fit fit-search soak \
  false-accepts lint clean

help:
	@echo 'make demo    the daemon on a virtual microphone: recorded sentences switch simulated pins (sets up first)'
	@echo 'make test    all tests (sets up first)'
	@echo 'make test-clients   the clients of openai, wyoming and zeroconf, chromium, and HAProxy with the built program'
	@echo 'make test-page   the page of hearken eval --html in chromium, which it installs; make test does that where there is one'
	@echo 'make test-metrics   the metrics, alert rules and dashboard with the tools of Prometheus, which it downloads'
	@echo 'make test-mqtt   the daemon at a real broker, mosquitto, which it downloads'
	@echo 'make test-discovery   what Home Assistant is told over MQTT, by the schemas of its own package, which it installs'
	@echo 'make test-kernel   the program on a real kernel with a gpiochip and a sound card; the first time makes the kernel'
	@echo 'make fuzz    a million made-up configurations, templates, sounds and events: a minute or two'
	@echo 'make build   target/release/hearken; with BOARD=pi-5 (or pi-4, pi-3, pi-zero-2w) the program for that board'
	@echo 'make check-binary BOARD=pi-5   whether it is what that board can run; starts it in an emulator'
	@echo 'make instructions BOARD=pi-5   how many instructions a decision takes there, counted in an emulator'
	@echo 'make deb BOARD=pi-5   Debian packages: the program for that board with a systemd unit, and the models'
	@echo 'make flash HOST=pi@box.local BOARD=pi-5   installs them on a device, over ssh; DRY=1 only says what it would do.'
	@echo '             CONFIG=FILE replaces the configuration, WAIT=SECONDS is given to the service until it is ready'
	@echo 'make logs HOST=pi@box.local     shows the journal of the service there, and follows it'
	@echo 'make unflash HOST=pi@box.local  takes it off again; PURGE=1 the configuration too'
	@echo 'make test-flash   flashes a throw-away Debian over a real sshd, and lets go wrong what can, in 10 minutes'
	@echo 'make test-package BOARD=pi-5   they install, upgrade and vanish, on an emulated Debian'
	@echo 'make test-service   the unit under a real systemd: killed, hung, reloaded, upgraded'
	@echo 'make bench   how long a decision takes, against stock whisper on the same clip'
	@echo 'make bench-check   the same ratios next to those that are committed; fails at nothing'
	@echo 'make fit FIT=DIR   fits the weights of the decision to recordings in DIR; MODEL=$(MODEL)'
	@echo 'make fit-search FIT=DIR   which settings of the search find more of the sentences in DIR'
	@echo 'make endpoint FIT=DIR   which share of short utterances is recorded whole, by the settings of [endpoint]; DIR has folders of WAV files'
	@echo 'make soak    a day of sound through the daemon in an hour, with faults: does anything leak? SOAK_MINUTES=$(SOAK_MINUTES)'
	@echo 'make false-accepts   how often speech that is no command is obeyed, in $(HOURS) h of it by synthetic voices; HOURS=0.1 is short'
	@echo 'make test-pi the program on an emulated Raspberry Pi 3: its kernel, sound and pins; a minute (sets up first)'
	@echo 'make test-sd the package under systemd on that Pi, from an SD card; some minutes, the first time more'
	@echo 'make book    the pages of docs/ as a book, in target/book; make pages writes those that are made from the program'
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
	case "$$missing " in *':arm64 '*) \
	  { dpkg --print-architecture; dpkg --print-foreign-architectures; } | grep -qx arm64 || \
	    { echo 'setup: adding the architecture arm64 to dpkg'; $(SUDO) dpkg --add-architecture arm64; };; \
	esac; \
	echo "setup: installing$$missing"; \
	$(SUDO) apt-get update && $(SUDO) env DEBIAN_FRONTEND=noninteractive \
	  apt-get install -y --no-install-recommends $$missing

build: setup
	$(CROSS) $(CARGO) build --release --locked $(if $(TARGET),--target $(TARGET))
	@echo $(RELEASE)/hearken

for-a-board:
	@[ -n '$(TARGET)' ] || { echo 'for which board? as in BOARD=pi-5' >&2; exit 2; }

# What can be known of a program for a board without the board.
check-binary: PACKAGES += qemu-user-static libgomp1:arm64
check-binary: for-a-board build
	tests/cross/check $(RELEASE)/hearken '$(CPU)'

# How many instructions a decision takes on that board: some minutes.
instructions: PACKAGES += qemu-user libgomp1:arm64
instructions: for-a-board build
	tests/cross/instructions $(RELEASE)/hearken '$(CPU)'

# A program that was checked, and with it what the same build says of its command line; the models in a package of their own.
DEB_ARCH := $(if $(TARGET),arm64,$(shell dpkg --print-architecture))
DEB := target/hearken_$(BOARD)_$(DEB_ARCH).deb
MODELS_DEB := target/hearken-models_all.deb
BOX := target/box/debian-$(DEB_ARCH)
deb: PACKAGES += dpkg-dev
deb: $(if $(TARGET),check-binary,build) $(MODELS_DEB)
	$(CROSS) $(CARGO) build --release --locked $(if $(TARGET),--target $(TARGET)) --example pages
	rm -rf $(RELEASE)/pages && $(if $(TARGET),qemu-aarch64-static) $(RELEASE)/examples/pages $(RELEASE)/pages
	boards/package/build program $(BOARD) $(RELEASE)/hearken $(RELEASE)/pages $(DEB)
	@echo "$(MODELS_DEB): $$(stat -c %s $(MODELS_DEB)) bytes, which change with the models only"

$(MODELS_DEB): $(wildcard models/*) boards/package/build | setup
	boards/package/build models $@

# The package and the unit on a Debian machine with a real systemd, on the virtual microphone.
test-service: PACKAGES += debootstrap systemd-container iproute2 procps python3
test-service: deb
	@[ -z '$(TARGET)' ] || { echo 'test-service: $(BOARD) is no board to run here; leave BOARD out' >&2; exit 2; }
	$(SUDO) tests/box/box make $(BOX) $(DEB_ARCH) libasound2 libgomp1 libstdc++6
	$(SUDO) tests/service/run $(BOX) $(DEB) $(MODELS_DEB)

# The packages in a Debian of the board's architecture, in an emulator if it must be. Making that Debian takes minutes, once.
test-package: PACKAGES += debootstrap lintian
test-package: deb
	$(SUDO) tests/box/box make $(BOX) $(DEB_ARCH) libasound2 libgomp1 libstdc++6
	$(SUDO) tests/package/run $(BOX) $(DEB) $(MODELS_DEB)

# An emulated Raspberry Pi 3 B, whose pins are watched from outside; recognition is scripted there.
PI := target/pi
ifeq ($(BOARD),pi-3)
test-pi test-sd: PACKAGES += cpio python3 libgomp1:arm64
test-sd: PACKAGES += debootstrap dpkg-dev e2fsprogs qemu-user-static
pi: build
	$(CROSS) $(CARGO) build --release --locked --target $(TARGET) --example scripted
	tests/pi/fetch
	tests/pi/initramfs $(PI)/initramfs.gz hearken=$(RELEASE)/hearken scripted=$(RELEASE)/examples/scripted \
	  $(patsubst %,hearken-pi-5=%,$(wildcard target/armv8.2-a+dotprod+fp16/$(TARGET)/release/hearken))
test-pi: pi
	tests/pi/test-pi $(PI)/initramfs.gz
test-sd: pi deb
	$(SUDO) tests/pi/image $(PI)/sd.img $(RELEASE)/examples/scripted $(DEB) $(MODELS_DEB)
	tests/pi/test-sd $(PI)/initramfs.gz $(PI)/sd.img
else
test-pi test-sd:
	$(MAKE) BOARD=pi-3 $@
endif

for-a-device:
	@[ -n "$$HOST" ] || { echo 'to which device? as in HOST=pi@box.local' >&2; exit 2; }

# HOST, CONFIG, DRY, WAIT, LINES and PURGE come to it in the environment; its head says what they do.
flash unflash logs: export BOARD := $(BOARD)
flash: PACKAGES += openssh-client
flash: for-a-device deb
	boards/flash install $(DEB) $(MODELS_DEB)

logs: for-a-device
	boards/flash logs

unflash: for-a-device
	boards/flash remove

# On this machine's own package, in a box with the virtual microphone.
test-flash: PACKAGES += openssh-client debootstrap systemd-container iproute2 procps python3
test-flash: deb
	@[ -z '$(TARGET)' ] || { echo 'test-flash: $(BOARD) is no board to run here; leave BOARD out' >&2; exit 2; }
	$(SUDO) tests/flash/run $(DEB) $(MODELS_DEB)

# Built and run in one profile: whisper.cpp is compiled once.
demo: setup
	$(CARGO) build --release --locked --bin hearken --example demo
	target/release/examples/demo

test: PACKAGES += curl
test: setup
	$(CARGO) test --release --locked

# The clients of PyPI and Debian with the built program, in an environment of their own under target/.
CLIENTS := openai==3.57.0 wyoming==1.10.2 zeroconf==0.149.16
test-clients: PACKAGES += python3-venv haproxy chromium chromium-driver
test-clients: setup
	$(CARGO) build --release --locked --bin hearken
	[ -x target/tools/clients/bin/python ] || python3 -m venv target/tools/clients
	target/tools/clients/bin/pip install --quiet $(CLIENTS)
	target/tools/clients/bin/python tests/clients/check.py target/release/hearken

# make test looks at the page only where there is a browser: chromium is 300 MB.
test-page: PACKAGES += chromium
test-page: setup
	NEEDS_BROWSER=1 $(CARGO) test --release --locked --test hearken the_page_stands_alone

# promtool and node_exporter of Debian, which check the metrics, and the broker mosquitto. They are unpacked and not
# installed: their packages would start servers.
TOOLS := prometheus prometheus-node-exporter mosquitto mosquitto-clients libmosquitto1 libcjson1 libdlt2 libwrap0
UNPACKED := target/tools/debian/unpacked-2
tools: $(UNPACKED)
$(UNPACKED): | setup
	mkdir -p target/tools/deb && $(SUDO) apt-get update -q
	cd target/tools/deb && apt-get download $(TOOLS)
	for package in target/tools/deb/*.deb; do dpkg-deb -x "$$package" target/tools/debian || exit 1; done
	touch $@

test-metrics: tools
	CI=1 $(CARGO) test --release --locked --test hearken metrics::

test-mqtt: tools
	CI=1 $(CARGO) test --release --locked --test hearken mqtt::

# What Home Assistant is told, by its own schemas. Its packages take minutes to install, once.
HOME_ASSISTANT := homeassistant==2024.3.3 paho-mqtt==1.6.1 janus==1.0.0
test-discovery: PACKAGES += python3-venv
test-discovery: setup tools
	$(CARGO) build --release --locked --bin hearken
	[ -x target/tools/home-assistant/bin/python ] || python3 -m venv target/tools/home-assistant
	target/tools/home-assistant/bin/pip install --quiet $(HOME_ASSISTANT)
	LD_LIBRARY_PATH=$$(echo $(CURDIR)/target/tools/debian/usr/lib/*-linux-gnu) target/tools/home-assistant/bin/python \
	  tests/clients/discovery.py target/release/hearken target/tools/debian/usr/sbin/mosquitto

# The program on a kernel in user mode, with a gpiochip and a sound card. Making the kernel takes minutes, once.
test-kernel: PACKAGES += linux-source flex bison bc patch xz-utils alsa-utils python3
test-kernel: setup target/kernel/linux
	$(CARGO) build --release --locked --bin hearken
	tests/kernel/run target/kernel/linux time-travel=inf-cpu

target/kernel/linux: $(addprefix tests/kernel/,build config linux.patch) | setup
	tests/kernel/build $@

# So many cases of each law; the last line before the result says how many there were.
CASES := 100000
fuzz: setup
	PROPTEST_CASES=$(CASES) $(CARGO) test --release --locked --test hearken properties:: -- --nocapture

# The same laws under libFuzzer, for a minute, where there is one.
fuzz-ci:
	tests/fuzz/run 12

bench: setup
	$(CARGO) bench --locked

# Compares the ratios of the felt times with those that are committed. It fails at nothing.
bench-check: setup
	$(CARGO) bench --locked --bench felt -- --check tests/bench/expected.txt

# The pages of the reference that are made from the program.
pages: setup
	$(CARGO) run --release --locked --example book

# The book, in target/book; mdBook is built once, into target/tools.
MDBOOK := 0.5.4
book: pages target/tools/bin/mdbook
	target/tools/bin/mdbook build docs

target/tools/bin/mdbook: | setup
	$(CARGO) install mdbook --version $(MDBOOK) --locked --root target/tools --no-default-features

# The table of features and the weights of MODEL, from recordings; the report goes to docs/.
MODEL ?= ggml-tiny.en-q8_0
fit: setup
	@[ -n '$(FIT)' ] || { echo 'on which recordings? as in FIT=DIR; the head of tests/fit/main.rs says how it is laid out' >&2; exit 2; }
	$(CARGO) build --release --locked --example fit
	target/release/examples/fit decide --model '$(MODEL).bin' --out 'tests/fit/$(MODEL).csv' '$(FIT)'
	target/release/examples/fit weights --model '$(MODEL).bin' --report 'docs/reports/fit-$(MODEL).md' 'tests/fit/$(MODEL).csv'

# Which settings of the search find more of the sentences; what is better is written into models/$(MODEL).weights.toml by hand.
fit-search: setup
	@[ -n '$(FIT)' ] || { echo 'on which recordings? as in FIT=DIR' >&2; exit 2; }
	$(CARGO) build --release --locked --example fit
	target/release/examples/fit search --model '$(MODEL).bin' '$(FIT)'

endpoint: setup
	@[ -n '$(FIT)' ] || { echo 'of which recordings? as in FIT=DIR; the head of tests/endpoint/main.rs says how it is laid out' >&2; exit 2; }
	$(CARGO) build --release --locked --example endpoint
	target/release/examples/endpoint '$(FIT)'

soak: setup
	$(CARGO) build --release --locked --bin hearken --example soak
	target/release/examples/soak --minutes $(SOAK_MINUTES)

# The speech stays in target/speech, 115 MB an hour: the next run decides the same.
false-accepts: PACKAGES += espeak-ng flite festival festvox-kallpc16k festvox-kdlpc16k festvox-us-slt-hts sox \
  fortunes fortunes-min python3
false-accepts: setup
	$(CARGO) build --release --locked --bin hearken
	tests/speech/run target/release/hearken target/speech $(HOURS) tests/data/home.toml tests/data/coffee.toml

lint:
	$(CARGO) fmt --check
	$(CARGO) clippy --release --locked --all-targets -- -D warnings

clean:
	[ ! -e target/box ] && [ ! -e target/pi ] || $(SUDO) rm -rf target/box target/pi
	$(CARGO) clean
