"""Driver of the SMSC (Microchip) LAN9118 Ethernet controller and its relatives (LAN9115 to 9118,
9215 to 9218, 9220, 9221) on a 32-bit memory bus, polled. MicroPython only.

    receive   RX data FIFO --> the pool pbuf that reaches the application; nothing is copied twice
    send      each pbuf of the chain --> TX data FIFO, from whatever address it lies at

The chip puts two bytes in front of each frame received (RX_CFG's data offset), which is pbuf.LEAD.
It takes a frame for sending in pieces that start and end at any byte, flash included. The steps
are those of the LAN9118 datasheet (chapters 3.12 and 3.13, 5.3 and 5.4).

lan9118_viper.py is the machine code; lan9118_thumb.py replaces the two functions of it that move
the bytes, where its assembler compiles.
"""

from array import array

import micropython

from stack.err import ERR_MEM, ERR_VAL, OK
from stack.kernel import reg_add, where
from stack.mpy import const
from stack.pbuf import LEAD, alloc, copy_partial, free

from . import DIRECT, FRAME_SUM, GATHER, MULTICAST_FILTER
from .groups import crc_bit, half
from .lan9118_viper import NAMES, fetch, push, read, send2, wait_clear, write

try:
    from .lan9118_thumb import fetch, push, send2
except (ImportError, SyntaxError, ValueError):  # asm_thumb compiles only for an ARMv7-M
    pass

_TX_ERROR = const(5)  # indexes of dev, as in lan9118_viper.py
_RX_OVERRUN = const(6)
_TX_FULL = const(7)
_BASE = const(8)
_LIMIT = const(9)

# Registers, as indexes of 32-bit words.
_IRQ_CFG = const(0x54 >> 2)
_INT_STS = const(0x58 >> 2)
_INT_EN = const(0x5C >> 2)
_BYTE_TEST = const(0x64 >> 2)
_FIFO_INT = const(0x68 >> 2)
_RX_CFG = const(0x6C >> 2)
_TX_CFG = const(0x70 >> 2)
_HW_CFG = const(0x74 >> 2)
_RX_FIFO_INF = const(0x7C >> 2)
_PMT_CTRL = const(0x84 >> 2)
_GPIO_CFG = const(0x88 >> 2)
_RX_DROP = const(0xA0 >> 2)
_MAC_CSR_CMD = const(0xA4 >> 2)
_MAC_CSR_DATA = const(0xA8 >> 2)
_AFC_CFG = const(0xAC >> 2)
_E2P_CMD = const(0xB0 >> 2)
_RSFL = const(8)  # INT_EN and INT_STS: a frame has been received
_BUSY = const(0x8000)  # of MAC_CSR_CMD's and E2P_CMD's upper half

# Registers of the MAC, reached through MAC_CSR, and of the PHY, reached through the MAC.
_MAC_CR = const(1)
_ADDRH = const(2)
_ADDRL = const(3)
_HASHH = const(4)
_HASHL = const(5)
_MII_ACC = const(6)
_MII_DATA = const(7)
_BCR = const(0)
_BSR = const(1)
_PHY_ID = const(2)
_ANAR = const(4)
_ANLPAR = const(5)

# MAC_CR: receiver and transmitter on, multicast through the hash; above, full or half duplex.
_MAC_CR_LOW = const(0x200C)
_FULL = const(0x0010)
_HALF = const(0x0080)  # and do not receive what we send

_NEXT = const(0x2000)  # a piece that is not the first of its frame, or not the last; see push()
_MORE = const(0x1000)
_MAX_FRAME = const(1514)
_NONE = None  # as an object, which viper's own is not


class LAN9118:
    """The chip at address `base`. `mac` (6 bytes) is only needed if no EEPROM gives the chip one.

    Making it resets the chip. Raises OSError if nothing answers there. Its interrupt line (push-
    pull, active high) is on while frames wait: for a board that sleeps until then.
    Allocates only when made.
    """

    caps = DIRECT | GATHER | MULTICAST_FILTER | FRAME_SUM
    mtu = 1500

    def __init__(self, base=0x40200000, mac=None):
        self.dev = array("I", [0] * len(NAMES) + [base, 0])
        self.stats = (NAMES, self.dev)
        self.frames = None
        self.handle = where(self.dev)
        self.fetch = fetch
        self.send = push
        self.send2 = send2
        self._up = False
        self._groups = bytearray(64)  # how many groups joined stand for each bit of the hash
        self._reset(base)
        if mac is not None:
            self._mac_write(_ADDRH, 0, mac[4] | mac[5] << 8)
            self._mac_write(_ADDRL, mac[2] | mac[3] << 8, mac[0] | mac[1] << 8)
        halves = (
            self._mac_read(_ADDRL),
            self._mac_read(_ADDRL, 1),
            self._mac_read(_ADDRH),
        )
        self.mac = b"".join(bytes((h & 0xFF, h >> 8)) for h in halves)
        if self.mac[0] & 1 or self.mac == bytes(6):
            raise OSError(
                "LAN9118 at 0x%x has no Ethernet address (no EEPROM?): give it one, "
                'LAN9118(mac=b"\\x02...")' % base
            )

    def start(self, pool):
        """Turn on the FIFOs, the PHY and the MAC, and receive into `pool`. Does not wait for the
        link. Raises OSError if the PHY does not answer."""
        dev = self.dev
        self.frames = pool
        dev[_LIMIT] = pool.bufsize - 6  # the chip adds the FCS, and fills up to a whole word
        write(dev, _HW_CFG, 0x0015, 0)  # 5 KB for sending, the rest for receiving
        write(dev, _AFC_CFG, 0x006E, 0x3740)
        write(dev, _GPIO_CFG, 0x7007, 0)  # the pins are the LEDs
        write(dev, _INT_EN, 0, 0)
        write(dev, _INT_STS, 0xFFFF, 0xFFFF)
        write(dev, _FIFO_INT, 0x4800, 0)
        write(dev, _IRQ_CFG, 0, 0x0111)
        self._phy_write(_BCR, 0x8000)  # reset; the bit clears itself within 0.5 s
        for _ in range(1000):
            if not self._phy_read(_BCR) & 0x8000:
                break
        self._phy_write(_ANAR, 0x01E1)  # 10 and 100 Mbit/s, half and full duplex
        self._phy_write(_BCR, 0x1200)  # negotiate
        write(dev, _RX_CFG, 0, LEAD << 8)
        write(dev, _TX_CFG, 0, 2)
        self._mac_write(_HASHH, 0, 0)
        self._mac_write(_HASHL, 0, 0)
        self._mac_write(_MAC_CR, _FULL, _MAC_CR_LOW)
        write(dev, _INT_EN, 0, _RSFL)
        low, phy = self._mac_read(_MAC_CR), self._phy_read(_PHY_ID)
        if low != _MAC_CR_LOW or phy == 0 or phy == 0xFFFF:
            raise OSError(
                "LAN9118 does not start: MAC_CR reads 0x%04x, not 0x%04x; PHY 1 identifies "
                "itself as 0x%04x" % (low, _MAC_CR_LOW, phy)
            )
        self.link()

    @micropython.viper
    def rx(self):
        """Return the next received frame as a pbuf the caller owns, or None."""
        dev = self.handle
        if ptr32(ptr32(int(dev) << 2)[_BASE])[_RX_FIFO_INF] & 0xFF0000 == 0:
            return _NONE
        p = alloc(self.frames, 2, 0)
        if p is _NONE:
            fetch(dev, 0)
            return p
        n = int(fetch(dev, int(ptr8(p.buf)) >> 2)) & 0xFFFF
        if n == 0xFFFF:
            free(p)
            return _NONE
        p.len = n
        p.tot_len = n
        return p

    @micropython.viper
    def tx(self, p) -> int:
        """Send chain `p` from where it lies; it is copied out when this returns, and stays the
        caller's. Returns OK, ERR_VAL for a bad length, ERR_MEM if the FIFO has no room now."""
        n = int(p.tot_len)
        k = int(p.len)
        if n < 14 or n > _MAX_FRAME or k == 0:
            return int(self._tx_unusual(p))
        send = self.send
        dev = self.handle
        if k == n:
            return int(send(dev, p.buf, p.off, n))
        q = p.next
        if k + int(q.len) != n:
            return int(self._tx_unusual(p))
        err = int(send(dev, p.buf, p.off, n << 16 | _MORE | k))
        if err == 0:
            send(dev, q.buf, q.off, n << 16 | _NEXT | n - k)
        return err

    def link(self):
        """Return True if there is a link, and set the MAC to the duplex that was negotiated. Also
        counts the frames that the chip lost. Some hundred register accesses."""
        reg_add(self.dev, _RX_OVERRUN, read(self.dev, _RX_DROP, 0))
        self._phy_read(_BSR)  # it remembers a lost link until it is read
        status = self._phy_read(_BSR)
        up = status & 4 != 0 and status != 0xFFFF
        if up and not self._up:
            both = self._phy_read(_ANAR) & self._phy_read(_ANLPAR)
            full = both & 0x0100 or both & 0x00C0 == 0x0040  # IEEE 802.3, annex 28B.3
            self._mac_write(_MAC_CR, _FULL if full else _HALF, _MAC_CR_LOW)
        self._up = up
        return up

    def multicast(self, mac, on):
        """Let frames to the group address `mac` pass, or no longer. The filter is a hash of 64
        bits, so others may pass as well."""
        bit = crc_bit(mac, 0)
        self._groups[bit] += 1 if on else -1
        first = bit & 0x20
        high, low = half(self._groups, first + 16), half(self._groups, first)
        self._mac_write(_HASHH if first else _HASHL, high, low)

    def _tx_unusual(self, p):
        """Send a chain of any number of pbufs, joined in a receive pbuf where the chip does not
        take it as it is. Returns as tx()."""
        n = p.tot_len
        dev = self.dev
        if n < 14 or n > _MAX_FRAME:
            reg_add(dev, _TX_ERROR, 1)
            return ERR_VAL
        if _has_crumb(p.next):
            return self._tx_joined(p)
        piece = n << 16
        while n:
            k = p.len
            if k:
                n -= k
                err = push(self.handle, p.buf, p.off, piece | (_MORE if n else 0) | k)
                if err:
                    return err
                piece |= _NEXT
            p = p.next
        return OK

    def _tx_joined(self, p):
        n = p.tot_len
        q = alloc(self.frames, 0, n)
        if q is None:
            reg_add(self.dev, _TX_FULL, 1)
            return ERR_MEM
        copy_partial(p, q.buf, 0, n)
        err = push(self.handle, q.buf, 0, n)
        free(q)
        return err

    def _reset(self, base):
        """Check that the chip is there, and reset it."""
        dev = self.dev
        high, low = read(dev, _BYTE_TEST, 1), read(dev, _BYTE_TEST, 0)
        if high != 0x8765 or low != 0x4321:
            raise OSError(
                "LAN9118 at 0x%x does not answer: BYTE_TEST reads 0x%04x%04x, not 0x87654321"
                % (base, high, low)
            )
        for _ in range(1000):
            if read(dev, _PMT_CTRL, 0) & 1:  # awake
                break
        write(dev, _HW_CFG, 0, 1)
        if wait_clear(dev, _HW_CFG, 0, 1):
            raise OSError("LAN9118 at 0x%x does not end its reset: HW_CFG bit 0 stays set" % base)
        if wait_clear(dev, _E2P_CMD, 1, _BUSY):
            raise OSError("LAN9118 at 0x%x does not end reading its EEPROM" % base)

    # What follows waits a bounded time for the chip, and goes on regardless: start() finds out.

    def _mac_write(self, reg, high, low):
        dev = self.dev
        wait_clear(dev, _MAC_CSR_CMD, 1, _BUSY)
        write(dev, _MAC_CSR_DATA, high, low)
        write(dev, _MAC_CSR_CMD, 0x8000, reg)
        wait_clear(dev, _MAC_CSR_CMD, 1, _BUSY)

    def _mac_read(self, reg, high=0):
        dev = self.dev
        wait_clear(dev, _MAC_CSR_CMD, 1, _BUSY)
        write(dev, _MAC_CSR_CMD, 0xC000, reg)
        wait_clear(dev, _MAC_CSR_CMD, 1, _BUSY)
        return read(dev, _MAC_CSR_DATA, high)

    def _phy(self, command):
        """Give the PHY, which has address 1, a command, and wait until it is done."""
        self._mac_write(_MII_ACC, 0, 1 << 11 | command)
        for _ in range(100):  # 64 bits at 2.5 MHz, each look some 100 microseconds
            if not self._mac_read(_MII_ACC) & 1:
                break

    def _phy_write(self, reg, value):
        self._mac_write(_MII_DATA, 0, value)
        self._phy(reg << 6 | 3)

    def _phy_read(self, reg):
        self._phy(reg << 6 | 1)
        return self._mac_read(_MII_DATA)


def _has_crumb(q):
    """Return True if a piece between the first and the last of a frame has 1 to 3 bytes, which the
    chip does not allow. `q` is the second pbuf of three or more."""
    while q.next is not None:
        if 0 < q.len < 4 and q.len != q.tot_len:
            return True
        q = q.next
    return False
