"""Drivers and clocks: the only code that touches registers or the operating system.

A driver is one class. It polls, and nothing it does after start() allocates (pcap.py's file
writes on some ports excepted; see there). Its contract:

    mac         bytes(6), the station's own address
    mtu         1500: the longest IP packet; a frame is at most mtu + 14 bytes, FCS not counted
    caps        a sum of the bits below
    stats       (NAMES, counters) as in stack/stats.py. The first six are the same everywhere:
                rx, tx                  frames handed to the stack; frames sent
                rx_nobuf                received, and dropped because the pool was empty
                rx_error, rx_long       received damaged; received longer than a pbuf holds
                tx_error                refused: too short, too long, or the hardware failed
                A driver appends what else it can tell.

    start(pool) Get the device going; `pool` is a stack.pbuf.Pool of kind POOL whose pbufs rx() may
                take. Set-up: may allocate, and raises OSError or ValueError with the remedy when
                the device does not answer. Called once, by netif.add().

    rx()        Return the next received frame as a pbuf that the caller owns, or None. It comes
                from alloc(pool, pbuf.LEAD, n): the frame starts at buf[2], which puts the IP
                header on a 4-byte boundary, and len = tot_len = n is its length without FCS
                (padding to 60 bytes included). A frame that cannot be delivered is dropped,
                counted under the name that says why, and None is returned.

    tx(p)       Send chain `p`, a whole frame without FCS. Returns OK, ERR_VAL for a frame that is
                shorter than a header or longer than mtu + 14, ERR_MEM when there is no room now,
                ERR_IF when the device failed. The caller keeps its ownership; a driver that needs
                `p` after the call takes one of its own (pbuf.ref) and ends it (pbuf.free). It
                sends at least 60 bytes: what is missing is padded with zeros.

    link()      Return True if there is a link. May be slow (it asks the PHY); call it rarely.

    multicast(mac, on)
                Let the filter pass the group address `mac` (6 bytes), or no longer. A driver
                without a filter passes every group and does nothing here. Calls are counted per
                address nowhere: the caller joins once and leaves once.

A driver whose processor moves the bytes itself may have three more, and DIRECT in its caps; what
is answered at once then needs no pbuf. They are functions, not methods: calling one costs less.

    handle      their first argument, whatever they need: a number is taken soonest

    fetch(handle, buf)
                Put the next received frame into `buf`, from buf[2] on. Returns its length, plus
                65536 if more are known to wait; 0 if there was none; or less than 0 if it could
                not be delivered, and was dropped and counted. `buf` is what kernel.where() says
                of that of a pbuf of the pool; or 0 if there is none: then the frame is dropped.

    send(handle, buf, off, n)
                Send the frame of `n` bytes at buf[off], of a good length, as tx() does. It is
                copied out when this returns OK. With GATHER, a frame may come in two pieces: `n`
                of the first is the frame's length << 16 | 0x1000 | its own, and if that was OK,
                of the second the frame's length << 16 | 0x2000 | its own.

    send2(handle, pieces)
                The same for a frame of two pieces of memory: `pieces` is what kernel.where() says
                of an array('I') of the first one's address and length, and the second one's. Text
                is sent with this, or else, if the driver has none, with tx().

A driver on a descriptor also has `stream`: what select.poll() takes, to sleep until a frame comes.

    lan9118.py  the LAN9118 controller          w5500.py, enc28j60.py  chips on an SPI bus
    stm32_eth.py  an STM32F4's or F7's own MAC  stm32h7_eth.py  an STM32H7's
    imx_enet.py   an i.MX's: ENET               ring.py    what those of chips with a DMA share
    tap.py      a TAP interface (CPython)       stream.py  frames over a socket: QEMU, the bridge
    wire.py     a virtual wire, for tests       spi.py     what the chips on an SPI bus share
    pcap.py     records any of them             clock.py, counter.py, sim.py: time

A clock is a function without arguments that returns milliseconds, 30 bits, wrapping like
MicroPython's time.ticks_ms(): see clock.py.
"""

CKSUM_RX = 1  # buf[0] of what rx() returns is 1 if its IP and TCP, UDP or ICMP checksums are right
CKSUM_TX = 2  # those of IP, TCP and UDP are filled in; a fragment's, and ICMP's, are left alone
GATHER = 4  # a chain is sent from where it lies, nothing is copied to make it one buffer
FRAME_SUM = 16  # buf[0] and buf[1] of what rx() returns are the sum of the frame's bytes
DIRECT = 32  # the driver has handle, fetch() and send()
MULTICAST_FILTER = 8  # groups not joined with multicast() are kept out by the device
