# The peers that the benchmark measures beside the stack: C lwIP, and MicroPython's socket over it.
# Nothing else needs them; python -m tests.bench builds them when it is not told --no-peers.

PEERS := tests/bench/peers
PEER_FILES := $(wildcard $(PEERS)/*.[ch] $(PEERS)/*.mk $(PEERS)/*.ld $(PEERS)/*.py $(PEERS)/*/*)
LWIP := $(CURDIR)/build/lwip-src

build/lwip-src/lwpy.stamp: | tools/fetch_source.sh build/packages
	@$(STEP) lwip-source "fetching lwIP's source" "Check the network; or leave the peers out." \
		tools/fetch_source.sh lwip build
	@touch $@

# C lwIP on its raw API, on the bare board.

LWIP_C := $(addprefix core/,def dns inet_chksum init ip mem memp netif pbuf raw stats sys tcp \
	tcp_in tcp_out timeouts udp) $(addprefix core/ipv4/,acd dhcp etharp icmp igmp ip4_addr ip4 \
	ip4_frag) netif/ethernet
PEER_CC = arm-none-eabi-gcc -mcpu=cortex-m3 -mthumb -Os -ffunction-sections -fdata-sections -g \
	-Wall -nostartfiles -Wl,--gc-sections -I$(PEERS) -I$(LWIP)/src/include

build/peers/lwip.elf: build/lwip-src/lwpy.stamp $(PEER_FILES)
	@mkdir -p build/peers
	@$(STEP) lwip "building C lwIP for the benchmark" '$(CLEAN_LOG)' $(PEER_CC) \
		-T $(PEERS)/lwip.ld $(PEERS)/lwip.c $(PEERS)/lan9118.c \
		$(LWIP_C:%=$(LWIP)/src/%.c) -o $@

# MicroPython's socket over C lwIP: the qemu port as it is, and the glue of our own firmware.

build/peers/socket.elf: build/mpy-cross build/lwip-src/lwpy.stamp $(PEER_FILES) \
		$(wildcard $(BOARD_DIR)/glue/*)
	@mkdir -p build/peers
	@$(STEP) socket "building MicroPython's socket for the benchmark" '$(CLEAN_LOG)' \
		$(SUBMAKE) -C $(MPY)/ports/qemu BOARD=$(BOARD) BUILD=$(CURDIR)/build/obj/socket \
		FROZEN_MANIFEST=$(CURDIR)/$(PEERS)/socket/manifest.py \
		USER_C_MODULES=$(CURDIR)/$(PEERS) \
		LWPY_GLUE=$(CURDIR)/$(BOARD_DIR)/glue MICROPY_PY_LWIP=1 LWIP_DIR=$(LWIP)/src
	@install build/obj/socket/firmware.elf $@

# PyTCP for the comparison on the PC, in a virtual environment of its own. Version 3 needs Python
# 3.14, and its API is another.

build/peers/pytcp/lwpy.stamp: $(PEERS)/peers.mk build/packages
	@$(STEP) pytcp "installing PyTCP for the benchmark" \
		"Check that the Python package index can be reached; or leave it out." \
		sh -c 'python3 -m venv build/peers/pytcp && \
			build/peers/pytcp/bin/pip install --disable-pip-version-check "PyTCP<3"'
	@touch $@
