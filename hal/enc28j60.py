"""Driver of the Microchip ENC28J60 (10BASE-T) on an SPI bus, polled.

    receive   6.5 KB in the chip --> the pool pbuf that reaches the application, in one burst
    send      each pbuf of the chain --> 1.5 KB in the chip, from where it lies; nothing is joined

    spi = machine.SPI(0, 16_000_000, sck=Pin(18), mosi=Pin(19), miso=Pin(16))
    driver = ENC28J60(spi, Pin(17, Pin.OUT), mac, irq=Pin(21, Pin.IN))

The chip does not negotiate: its partner takes it for half duplex, unless both are told otherwise.
Names, steps and sections are those of the datasheet (DS39662E) and, for errata, of DS80349C.

    0000h                                         19FFh 1A00h                          1FFFh
    +------+--------+---------+----+------+---------+   +---+-----------------+----------+
    | next | status | n + FCS |(1) | next | ...     |   | 0 | n bytes         | 7 status |
    +------+--------+---------+----+------+---------+   +---+-----------------+----------+
     2      4 bytes: length, bits    at an even address  ETXST            ETXND

Registers are in four banks; the last selected one is remembered, and waiting for a frame needs
one bank only.
"""

from stack import stats
from stack.err import ERR_VAL, OK
from stack.kernel import reg_add
from stack.mpy import const
from stack.pbuf import LEAD

from . import GATHER, MULTICAST_FILTER
from .spi import Bus, room, sleep_ms

NAMES = (
    "rx tx rx_nobuf rx_error rx_long tx_error rx_desync rx_overrun tx_timeout tx_again reopened"
).split()
_TX = const(1)
_RX_ERROR = const(3)
_TX_ERROR = const(5)
_RX_DESYNC = const(6)  # a pointer or length without sense in the receive buffer, which was emptied
_RX_OVERRUN = const(7)  # link() found that frames had been lost because the buffer was full
_TX_TIMEOUT = const(8)  # a frame that the chip did not send in time
_TX_AGAIN = const(9)  # a late collision, and so sent once more (erratum 13)
_REOPENED = const(10)  # found without its settings: a dip of its power

# Registers: bank << 5 | address, and _MAC for those of MAC and MII, which are read after a dummy
# byte. A number of two bytes begins at its lower one.
_MAC = const(0x80)
_ERDPT = const(0x00)
_EWRPT = const(0x02)
_ETXST = const(0x04)
_ETXND = const(0x06)
_ERXST = const(0x08)
_ERXND = const(0x0A)
_ERXRDPT = const(0x0C)
_EHT0 = const(0x20)
_ERXFCON = const(0x38)
_EPKTCNT = const(0x39)
_MACON1 = const(0xC0)
_MACON3 = const(0xC2)
_MACON4 = const(0xC3)
_MABBIPG = const(0xC4)
_MAIPG = const(0xC6)
_MAMXFL = const(0xCA)
_MICMD = const(0xD2)
_MIREGADR = const(0xD4)
_MIWR = const(0xD6)
_MIRD = const(0xD8)
_MISTAT = const(0xEA)
_EREVID = const(0x72)
_MAADR = b"\xe4\xe5\xe2\xe3\xe0\xe1"  # of the address's bytes, in their order
_COMMON = const(0x1B)  # from this address on, the same in all banks
_EIE = const(0x1B)
_EIR = const(0x1C)
_ESTAT = const(0x1D)
_ECON2 = const(0x1E)
_ECON1 = const(0x1F)
_PHCON1 = const(0x00)
_PHCON2 = const(0x10)
_PHSTAT2 = const(0x11)

_TXERIF = const(0x02)  # EIR
_TXIF = const(0x08)
_RXERIF = const(0x01)
_TX_STATUS = const(0x12)  # ESTAT: LATECOL, TXABRT
_PKTDEC = const(0x40)  # ECON2
_TXRST = const(0x80)  # ECON1
_RXRST = const(0x40)
_TXRTS = const(0x08)
_RXEN = const(0x04)
_LSTAT = const(0x0400)  # PHSTAT2
_RECEIVED_OK = const(0x80)  # the third byte of a frame's status
_LATE_COLLISION = const(0x20)  # the fourth of what a sent frame leaves

_RCR = const(0x00)  # instructions
_WCR = const(0x40)
_BFS = const(0x80)
_BFC = const(0xA0)
_RBM = b"\x3a"
_WBM = b"\x7a\x00"  # and the control byte: pad and add the FCS as MACON3 says
_SRC = b"\xff"

_RX_END = const(0x19FF)  # the buffer begins at 0 (erratum 5) and has an odd end (erratum 14)
_TX_START = const(0x1A00)
_SPINS = const(1000)  # how often a wait looks: a frame takes 1.3 ms, and collisions come on top
_AGAIN = const(15)
_MAX_FRAME = const(1514)


class ENC28J60:
    """The chip that `cs` selects on `spi` (mode 0, 8 to 20 MHz), with the address `mac`, which it
    has none of its own of. full: both ends of the cable are set to full duplex. rst: its RESET
    pin, if connected. irq: its INT pin, which is low while frames wait: then rx() looks at that
    first, and a board may sleep until then. Allocates only when made."""

    caps = GATHER | MULTICAST_FILTER
    mtu = 1500

    def __init__(self, spi, cs, mac, full=False, rst=None, irq=None):
        self.mac = bytes(mac)
        if len(mac) != 6 or mac[0] & 1 or self.mac == bytes(6):
            raise ValueError("ENC28J60: mac must be a station's 6 bytes, such as b'\\x02...'")
        self.bus = Bus(spi, cs)
        self.full = full
        self.rst = rst
        self.irq = irq
        self.counters = stats.new(NAMES)
        self.stats = (NAMES, self.counters)
        self.pool = None
        self.revision = 0
        self._groups = bytearray(64)  # how many groups joined stand for each bit of the hash
        self._head = bytearray(6)
        self._status = bytearray(7)
        self._out2 = bytearray(2)
        self._in2 = bytearray(2)
        self._out3 = bytearray(3)
        self._in3 = bytearray(3)
        self._bank = 0
        self._left = 0  # frames that wait, as far as known
        self._next = 0  # where the next one begins
        self._busy = False  # a frame is being sent, which ends at
        self._tx_end = 0
        self._again = 0  # how often it may still be sent once more

    def start(self, pool):
        """Reset the chip and let it receive. Does not wait for the link. Raises OSError, which
        tells what to look at, if the chip does not answer as it should. Allocates; for set-up."""
        self.pool = pool
        if self.rst is not None:
            self.rst(0)
            sleep_ms(1)
            self.rst(1)
            sleep_ms(1)
        self.bus.send(_SRC)
        sleep_ms(2)  # CLKRDY does not tell (erratum 2)
        found = self._open()
        self.revision = self._get(_EREVID)
        if found != _RX_END:
            raise OSError(
                "ENC28J60 does not answer (ERXND reads 0x%04x, not 0x%04x). Look at its 3.3 V, "
                "the wires of SO, SI, SCK and CS, RESET, which must be high, and SPI mode 0"
                % (found, _RX_END)
            )
        for i in range(6):
            if self._get(_MAADR[i]) != self.mac[i]:
                raise OSError(
                    "ENC28J60 (EREVID %d) does not keep its address. Run SPI at 8 to 20 MHz "
                    "(erratum 1), shorten the wires" % self.revision
                )

    def rx(self):
        """Return the next received frame as a pbuf the caller owns, or None."""
        if self._busy:
            self._sent()
        if not self._left:
            if self.irq is not None and self.irq():
                return None
            self._left = self._get(_EPKTCNT)  # PKTIF does not tell (erratum 6)
            if not self._left:
                return None
        self._left -= 1
        bus = self.bus
        head = self._head
        self._set2(_ERDPT, self._next)
        bus.begin(_RBM)
        bus.read_all(head)
        after = head[0] | head[1] << 8
        size = head[2] | head[3] << 8
        end = self._next + 6 + size + (size & 1)
        if size < 18 or after != (end - _RX_END - 1 if end > _RX_END else end):
            bus.end()
            reg_add(self.counters, _RX_DESYNC, 1)
            self._open()
            return None
        p = None
        if not head[4] & _RECEIVED_OK:
            reg_add(self.counters, _RX_ERROR, 1)
        else:
            p = room(self.pool, size - 4, self.counters)
            if p is not None:
                bus.read(p.buf, LEAD, size - 4)
        bus.end()
        self._next = after
        self._set2(_ERXRDPT, after - 1 if after else _RX_END)  # odd (erratum 14)
        self._do(_BFS, _ECON2, _PKTDEC)
        return p

    def tx(self, p):
        """Send chain `p` from where it lies; it is copied out when this returns, and stays the
        caller's. Waits for the frame before it. Returns OK or ERR_VAL for a bad length."""
        n = p.tot_len
        if n < 14 or n > _MAX_FRAME:
            reg_add(self.counters, _TX_ERROR, 1)
            return ERR_VAL
        if self._busy:
            self._wait()
        self._set2(_EWRPT, _TX_START)
        self.bus.write(_WBM, p, 0)
        self._tx_end = _TX_START + n
        self._set2(_ETXND, self._tx_end)
        self._do(_BFS, _ECON1, _TXRTS)
        self._busy = True
        self._again = _AGAIN
        reg_add(self.counters, _TX, 1)
        return OK

    def link(self):
        """Return True if there is a link. Also counts overruns, and opens the chip anew if a dip
        of its power has made it forget everything."""
        if not self._get(_ECON1) & _RXEN:
            reg_add(self.counters, _REOPENED, 1)
            if self._open() != _RX_END:
                return False
        if self._get(_EIR) & _RXERIF:
            reg_add(self.counters, _RX_OVERRUN, 1)
            self._do(_BFC, _EIR, _RXERIF)
        self._set(_MIREGADR, _PHSTAT2)
        self._set(_MICMD, 1)
        self._mii()
        self._set(_MICMD, 0)
        return (self._get(_MIRD) | self._get(_MIRD + 1) << 8) & _LSTAT != 0

    def multicast(self, mac, on):
        """Let frames to the group address `mac` pass, or no longer. The filter is a hash of 64
        bits, so others may pass as well."""
        bit = _hash(mac)
        self._groups[bit] += 1 if on else -1
        self._set_groups(bit >> 3)

    def _set_groups(self, i):
        """Write the hash table's byte `i`."""
        bits = 0
        for k in range(8):
            if self._groups[i * 8 + k]:
                bits |= 1 << k
        self._set(_EHT0 + i, bits)

    def _open(self):
        """Write all settings (chapter 6) and receive. Return what ERXND reads then. Waits for the
        frame under way."""
        if self._busy:
            self._wait()
        self._do(_BFC, _ECON1, 3)
        self._bank = 0
        self._set2(_ETXST, _TX_START)
        self._empty()
        end = self._get(_ERXND) | self._get(_ERXND + 1) << 8
        self._set(_ERXFCON, 0xA5)  # with a good FCS: to us, to all, to groups of the hash table
        for i in range(8):
            self._set_groups(i)
        full = 1 if self.full else 0
        self._set(_MACON1, 0x0D if full else 0x01)  # receive; with full duplex, heed pauses
        self._set(_MACON3, 0x32 | full)  # pad to 60 bytes, add the FCS, check lengths
        self._set(_MACON4, 0x40)  # wait for the medium as long as it takes
        self._set(_MABBIPG, 0x15 if full else 0x12)
        self._set2(_MAIPG, 0x0012 if full else 0x0C12)
        self._set2(_MAMXFL, 1518)
        for i in range(6):
            self._set(_MAADR[i], self.mac[i])
        self._phy(_PHCON1, 0x0100 if full else 0)
        self._phy(_PHCON2, 0x0100)  # HDLDIS: do not receive what we send
        self._do(_BFS, _EIE, 0xC0)  # INT is low while frames wait
        self._do(_BFS, _ECON1, _RXEN)
        return end

    def _empty(self):
        """Reset the receive logic, with an empty buffer, and leave it off."""
        self._do(_BFS, _ECON1, _RXRST)
        self._do(_BFC, _ECON1, _RXRST | _RXEN)
        self._set2(_ERXST, 0)
        self._set2(_ERXND, _RX_END)
        self._set2(_ERXRDPT, _RX_END)
        for _ in range(255):
            if not self._get(_EPKTCNT):
                break
            self._do(_BFS, _ECON2, _PKTDEC)
        self._next = self._left = 0

    def _wait(self):
        """Wait until the frame under way has been sent, or give it up."""
        for _ in range(_SPINS):
            if self._sent():
                return
        reg_add(self.counters, _TX_TIMEOUT, 1)
        self._reset_tx()

    def _sent(self):
        """Return whether the frame under way has left. A late collision may be none (erratum 13):
        then it is sent once more, without the transmit logic getting stuck (erratum 12)."""
        if self._get(_ECON1) & _TXRTS:
            return False
        self._busy = False
        if not self._get(_EIR) & _TXERIF:
            return True
        self._set2(_ERDPT, self._tx_end + 1)
        status = self._status
        self.bus.begin(_RBM)
        self.bus.read_all(status)
        self.bus.end()
        self._reset_tx()
        if status[3] & _LATE_COLLISION and self._again:
            reg_add(self.counters, _TX_AGAIN, 1)
            self._again -= 1
            self._busy = True
            self._do(_BFS, _ECON1, _TXRTS)
            return False
        reg_add(self.counters, _TX_ERROR, 1)
        return True

    def _reset_tx(self):
        self._busy = False
        self._do(_BFS, _ECON1, _TXRST)
        self._do(_BFC, _ECON1, _TXRST | _TXRTS)
        self._do(_BFC, _EIR, _TXERIF | _TXIF)
        self._do(_BFC, _ESTAT, _TX_STATUS)

    def _phy(self, reg, value):
        """Write a register of the PHY."""
        self._set(_MIREGADR, reg)
        self._set2(_MIWR, value)
        self._mii()

    def _mii(self):
        """Wait until the PHY has been read or written: some 10 microseconds."""
        for _ in range(_SPINS):
            if not self._get(_MISTAT) & 1:
                break

    def _select(self, reg):
        """Select the bank of `reg`, and return its address there."""
        address = reg & 0x1F
        bank = reg >> 5 & 3
        if address < _COMMON and bank != self._bank:
            if self._bank & ~bank:
                self._do(_BFC, _ECON1, self._bank & ~bank)
            if bank & ~self._bank:
                self._do(_BFS, _ECON1, bank & ~self._bank)
            self._bank = bank
        return address

    def _do(self, instruction, address, value):
        """Write, or set or clear bits, in the bank that is selected."""
        out = self._out2
        out[0] = instruction | address
        out[1] = value
        self.bus.send(out)

    def _get(self, reg):
        address = self._select(reg)
        if reg & _MAC:
            self._out3[0] = address
            self.bus.exchange(self._out3, self._in3)
            return self._in3[2]
        self._out2[0] = address
        self._out2[1] = 0
        self.bus.exchange(self._out2, self._in2)
        return self._in2[1]

    def _set(self, reg, value):
        self._do(_WCR, self._select(reg), value)

    def _set2(self, reg, value):
        address = self._select(reg)
        self._do(_WCR, address, value & 0xFF)
        self._do(_WCR, address + 1, value >> 8)


def _hash(mac):
    """Return the bit, 0..63, of the hash table for a group address: bits 28 to 23 of the CRC-32
    that the FCS uses (section 8.5), here in two halves, so that no number is large."""
    high = low = 0xFFFF
    for i in range(6):
        byte = mac[i]
        for _ in range(8):
            top = (high >> 15 ^ byte) & 1
            high = (high << 1 | low >> 15) & 0xFFFF
            low = low << 1 & 0xFFFF
            if top:
                high ^= 0x04C1
                low ^= 0x1DB7
            byte >>= 1
    return high >> 7 & 0x3F
