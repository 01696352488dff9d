# lwpy. Run "make help" for what there is to run. Every target gets what it needs by itself.

ifneq ($(words $(CURDIR)),1)
$(error MicroPython does not build in a folder whose path has a space: $(CURDIR))
endif

MPY_DIR ?= build/micropython-src
BOARD := $(if $(filter renode,$(EMULATOR)),STM32F4_RENODE,MPS2_AN385)
JOBS := $(shell nproc 2>/dev/null || echo 2)
export LWPY_BUILD := $(CURDIR)/build
export LWPY_WITHOUT := $(WITHOUT)

BOARD_DIR := firmware/boards/$(BOARD)
TOML = $(shell sed -n 's/^$(1) = "\(.*\)"/\1/p' $(BOARD_DIR)/board.toml 2>/dev/null)
# Of a board that one can buy: where it is in MicroPython's ports/, such as stm32/NUCLEO_F429ZI.
MPY_BOARD := $(call TOML,micropython)
SOURCE := $(if $(filter build/micropython-src,$(MPY_DIR)),build/micropython-src/lwpy.stamp)
MPY := $(abspath $(MPY_DIR))
PYTHON := .venv/bin/python
STEP := tools/step.sh
# Tests wait for emulators more than for processors; those of tests/tap for Linux's TCP, whose timers
# run in real time.
ABREAST := --dist worksteal -n $(shell expr \( $(JOBS) \* 3 + 1 \) / 2) --maxprocesses 8
ABREAST_TAP := --dist worksteal -n $(JOBS) --maxprocesses 4
CLEAN_LOG := Read the log; a fresh start is "make clean", or "make distclean" to download again.

# MicroPython's makefiles get their own flags only, not those that this make was called with. They
# insist on micropython-lib, which nothing here uses: any folder with a README.md will do.
LIBMAKE = env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make -j$(JOBS) \
	MICROPY_MPYCROSS=$(CURDIR)/build/mpy-cross \
	MICROPY_MPYCROSS_DEPENDENCY=$(CURDIR)/build/mpy-cross
SUBMAKE = $(LIBMAKE) MPY_LIB_DIR=$(MPY)
UNIX = $(SUBMAKE) -C $(MPY)/ports/unix VARIANT=standard \
	FROZEN_MANIFEST=$(CURDIR)/tools/unix_manifest.py \
	MICROPY_PY_BTREE=0 MICROPY_PY_SSL=0 MICROPY_SSL_MBEDTLS=0 MICROPY_PY_FFI=0

# The firmware follows every file that goes into it, and files that come and go.
FROZEN := $(sort $(shell find stack hal firmware \
	\( -name '*.py' -o -name '*.[ch]' -o -name '*.ld' -o -name '*.mk' \) 2>/dev/null))

.PHONY: help setup firmware board-firmware flash demo repl deploy emulate test test-board bench lint format clean distclean FORCE
.DELETE_ON_ERROR:
.SECONDEXPANSION:

help: ## Show this list.
	@echo "lwpy: a TCP/IP stack in Python for microcontrollers"
	@echo
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | \
		while IFS='|' read -r t h; do printf '%-17s %s\n' "$$t" "$$h"; done
	@echo
	@echo "  MPY_DIR=<folder>  Use your own MicroPython checkout instead of Debian's source package."
	@echo "  BOARD=<board>     A folder of firmware/boards/. Emulated: $(notdir $(basename $(EMULATED))), MPS2_AN385."
	@echo "  EMULATOR=renode   Where there is a renode: STM32F4_RENODE, or the BOARD, for emulate."
	@echo "  IP=<address/bits>|dhcp GW=<address>  The board's own address, and its gateway's: for deploy."
	@echo "  WITHOUT=<parts>   Leave parts of the stack out, for firmware and deploy: docs/protocols.md."
	@echo "  ALSO=<parts>      Copy more parts than main.py needs, or all: for deploy."
	@echo "  PORT=<port>       A serial port: /dev/ttyACM0, socket://host:port, rfc2217://host:port."
	@echo "  ARGS=<arguments>  Are passed on by test, bench, demo and repl: make test ARGS='-k tcp'"

setup: build/micropython build/micropython32 build/firmware.elf build/bare.elf .venv/lwpy.stamp ## Get and build all that is needed; the other targets call it.

firmware: $(if $(MPY_BOARD),board-firmware,setup) ## Build MicroPython for the BOARD with the stack frozen in.
	@echo "lwpy: the firmware is in build/$(if $(MPY_BOARD),obj/$(BOARD)/,firmware.elf)"

flash: board-firmware ## Build the firmware of the BOARD, and write it into its flash.
	@$(if $(call TOML,flash),,echo "lwpy: $(BOARD) has no make flash. $(call TOML,firmware)" >&2; exit 1)
	@$(FOR_BOARD) $(call TOML,flash)

FOR_BOARD = LWPY_BOARD=$(BOARD) $(LIBMAKE) -C $(MPY)/ports/$(dir $(MPY_BOARD)) \
	BOARD=$(notdir $(MPY_BOARD)) BUILD=$(CURDIR)/build/obj/$(BOARD) \
	FROZEN_MANIFEST=$(CURDIR)/firmware/boards/manifest.py

board-firmware: build/mpy-cross
	@[ -n "$(MPY_BOARD)" ] || { echo "lwpy: BOARD=$(BOARD) is none that one can buy: see docs/boards.md" >&2; exit 1; }
	@[ -z "$(SOURCE)" ] || { echo "lwpy: this needs your checkout of MicroPython: MPY_DIR=<folder>," >&2; \
		echo "lwpy: with its libraries: make -C <folder>/ports/$(dir $(MPY_BOARD)) BOARD=$(notdir $(MPY_BOARD)) submodules" >&2; exit 1; }
	@[ "$(call TOML,march)" != armv6m ] || sed -n '/native_arch in (/,/)/p' $(MPY)/tools/mpy-tool.py | grep -q ARMV6M || { \
		echo "lwpy: code for ARMv6-M must lie at multiples of 4, and this MicroPython would freeze it anywhere:" >&2; \
		echo "lwpy: in $(MPY)/tools/mpy-tool.py, add MP_NATIVE_ARCH_ARMV6M below MP_NATIVE_ARCH_ARMV6 where it aligns to 4" >&2; exit 1; }
	@$(STEP) $(BOARD) "building the firmware for $(BOARD)" '$(CLEAN_LOG)' env $(FOR_BOARD)

demo: setup ## Boot the emulated microcontroller and fetch its web page.
	@$(PYTHON) -m emulator demo $(ARGS)

repl: $(if $(PORT),.venv/lwpy.stamp,setup) ## Type Python on the emulated microcontroller, or on the board at PORT.
	@$(PYTHON) -m emulator repl $(if $(PORT),--port $(PORT)) $(ARGS)

deploy: build/mpy-cross .venv/lwpy.stamp ## Copy lwpy to the BOARD at PORT, which runs MicroPython; DRY=1 only shows how.
	@$(PYTHON) -m tools.deploy $(BOARD) $(if $(PORT),--port $(PORT)) $(if $(IP),--ip $(IP)) \
		$(if $(GW),--gw $(GW)) $(if $(ALSO),--also "$(ALSO)") $(if $(WITHOUT),--without "$(WITHOUT)") \
		$(if $(FORCE),--force) $(if $(DRY),--dry-run)

emulate: $$(or $$(filter build/$(BOARD).elf,$$(EMULATED)),setup) .venv/lwpy.stamp ## Boot the emulated BOARD; its console is at the PORT it prints.
	@$(PYTHON) -m emulator serve --board $(BOARD) $(ARGS)

test: setup build/SABRELITE_QEMU.elf build/armv6m.elf $$(IN_RENODE) lint ## Run every test that can run here.
ifdef ARGS
	@$(PYTHON) -m pytest $(ARGS)
else
	@$(PYTHON) -m pytest $(ABREAST) --ignore tests/tap; failed=$$?; \
		$(PYTHON) -m pytest $(ABREAST_TAP) tests/tap && exit $$failed
endif

test-board: .venv/lwpy.stamp ## Test the board at PORT, which has lwpy (deploy or firmware).
	@[ -n "$(PORT)" ] || { echo "lwpy: say where the board is: make test-board PORT=/dev/ttyACM0" >&2; exit 1; }
	@LWPY_PORT=$(PORT) $(PYTHON) -m pytest tests/board $(ARGS)

bench: setup build/SABRELITE_QEMU.elf ## Count instructions per packet, beside lwIP's and MicroPython's socket.
	@$(PYTHON) -m tests.bench $(ARGS)

lint: setup ## Check the style.
	@$(PYTHON) -m ruff check
	@$(PYTHON) -m ruff format --check

format: setup ## Put the sources into the project's style.
	@$(PYTHON) -m ruff check --fix-only
	@$(PYTHON) -m ruff format

clean: ## Remove what was built.
	@rm -rf build/obj build/log build/mpy-cross build/micropython build/micropython32 \
		build/*.elf build/frozen.list build/mpy_dir build/peers

distclean: ## Remove what was built and what was downloaded.
	@rm -rf build .venv .pytest_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Debian packages, .venv, MicroPython's source.

build/packages: tools/packages.sh
	@mkdir -p build
	@[ "$(LWPY_PACKAGES)" = no ] || tools/packages.sh
	@touch $@

.venv/lwpy.stamp: pyproject.toml tools/venv.sh build/packages
	@$(STEP) venv "installing Python packages into .venv" \
		"Check that the Python package index can be reached, then run make again." tools/venv.sh
	@touch $@

# An edit of the script is no reason to fetch anew: the package is what it was.
build/micropython-src/lwpy.stamp: | tools/fetch_source.sh build/packages
	@$(STEP) source "fetching MicroPython's source" \
		"Check the network, or set MPY_DIR to a checkout of MicroPython." \
		tools/fetch_source.sh micropython build
	@touch $@

# Another MPY_DIR makes everything out of date.
build/mpy_dir: FORCE
	@mkdir -p build
	@[ "$$(cat $@ 2>/dev/null)" = "$(MPY)" ] || { rm -rf build/obj; echo "$(MPY)" >$@; }

build/frozen.list: FORCE
	@mkdir -p build
	@echo "$(FROZEN) $(WITHOUT)" | cmp -s - $@ || echo "$(FROZEN) $(WITHOUT)" >$@

# MicroPython.

build/mpy-cross: build/mpy_dir $(SOURCE) build/packages
	@test -f $(MPY)/py/mpconfig.h || { echo "lwpy: MPY_DIR holds no MicroPython: $(MPY)" >&2; exit 1; }
	@$(STEP) mpy-cross "building mpy-cross" '$(CLEAN_LOG)' \
		$(SUBMAKE) -C $(MPY)/mpy-cross BUILD=$(CURDIR)/build/obj/mpy-cross
	@install build/obj/mpy-cross/mpy-cross $@

build/micropython: build/mpy-cross tools/unix_manifest.py
	@$(STEP) micropython "building MicroPython for this PC, 64-bit" '$(CLEAN_LOG)' \
		$(UNIX) BUILD=$(CURDIR)/build/obj/unix64
	@install build/obj/unix64/micropython $@

build/micropython32: build/mpy-cross tools/unix_manifest.py
	@$(STEP) micropython32 "building MicroPython for this PC, 32-bit" '$(CLEAN_LOG)' \
		$(UNIX) BUILD=$(CURDIR)/build/obj/unix32 MICROPY_FORCE_32BIT=1
	@install build/obj/unix32/micropython $@

MPS2 := MPS2_AN385
MPS2_DIR := firmware/boards/$(MPS2)
QEMU_PORT = $(SUBMAKE) -C $(MPY)/ports/qemu BOARD=$(MPS2) USER_C_MODULES=$(CURDIR)/$(MPS2_DIR)

build/firmware.elf: build/mpy-cross build/frozen.list $(FROZEN)
	@$(STEP) firmware "building the firmware for $(MPS2)" \
		'If the log names a Python file, correct that. $(CLEAN_LOG)' \
		$(QEMU_PORT) BUILD=$(CURDIR)/build/obj/$(MPS2) MICROPY_HEAP_SIZE=1048576 \
		FROZEN_MANIFEST=$(CURDIR)/$(MPS2_DIR)/manifest.py
	@install build/obj/$(MPS2)/firmware.elf $@

# Emulated boards whose makefiles are in their folders, and the heap of each.
HEAP_STM32F4_RENODE := 196096
HEAP_STM32F4_ENC28J60_RENODE := 196096
HEAP_STM32F746_RENODE := 261632
HEAP_STM32H7_RENODE := 523776
HEAP_SABRELITE_QEMU := 1048576
EMULATED := $(patsubst HEAP_%,build/%.elf,$(filter HEAP_%,$(.VARIABLES)))
BARE_RENODE := build/bare-STM32H7_RENODE.elf
IN_RENODE = $(if $(shell command -v "$${RENODE:-renode}"),$(filter %_RENODE.elf,$(EMULATED)) $(BARE_RENODE))
BOARD_PORT = $(SUBMAKE) -C $(MPY)/ports/qemu BOARD=$* BOARD_DIR=$(CURDIR)/firmware/boards/$* \
	USER_C_MODULES=$(CURDIR)/firmware/boards/$*
$(EMULATED): build/%.elf: build/mpy-cross build/frozen.list $(FROZEN)
	@$(STEP) $* "building the firmware for $*" \
		'If the log names a Python file, correct that. $(CLEAN_LOG)' \
		$(BOARD_PORT) BUILD=$(CURDIR)/build/obj/$* MICROPY_HEAP_SIZE=$(HEAP_$*) \
		FROZEN_MANIFEST=$(CURDIR)/firmware/boards/$*/manifest.py
	@install build/obj/$*/firmware.elf $@

# All of it compiled for ARMv6-M, and unaligned accesses trapped: what an RP2040 would run.
build/armv6m.elf: build/mpy-cross build/frozen.list $(FROZEN)
	@$(STEP) armv6m "building the firmware for ARMv6-M" \
		'If the log names a Python file, correct that. $(CLEAN_LOG)' \
		$(QEMU_PORT) BOARD_DIR=$(CURDIR)/$(MPS2_DIR)/armv6m BUILD=$(CURDIR)/build/obj/armv6m \
		MICROPY_HEAP_SIZE=1048576 FROZEN_MANIFEST=$(CURDIR)/$(MPS2_DIR)/armv6m/manifest.py
	@install build/obj/armv6m/firmware.elf $@

# Boards without lwpy, to deploy to; the first with a heap as small as a real one's.
BARE := MICROPY_VFS_LFS2=1 FROZEN_MANIFEST=$(CURDIR)/firmware/boards/bare/manifest.py
BARE_FILES := $(wildcard firmware/boards/bare/*)
build/bare.elf: build/mpy-cross $(BARE_FILES) $(wildcard $(MPS2_DIR)/glue/*)
	@$(STEP) bare "building MicroPython without lwpy for $(MPS2)" '$(CLEAN_LOG)' \
		$(QEMU_PORT) BUILD=$(CURDIR)/build/obj/bare MICROPY_HEAP_SIZE=327680 $(BARE)
	@install build/obj/bare/firmware.elf $@

$(BARE_RENODE): build/bare-%.elf: build/mpy-cross $(BARE_FILES) $(wildcard firmware/boards/*_RENODE/glue/*)
	@$(STEP) bare-$* "building MicroPython without lwpy for $*" '$(CLEAN_LOG)' \
		$(BOARD_PORT) BUILD=$(CURDIR)/build/obj/bare-$* MICROPY_HEAP_SIZE=$(HEAP_$*) $(BARE)
	@install build/obj/bare-$*/firmware.elf $@

include tests/bench/peers/peers.mk
