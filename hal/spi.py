"""What the drivers of chips on an SPI bus share: transactions that allocate nothing.

`spi` is a machine.SPI, or whatever has its write(buf), readinto(buf) and write_readinto(out, buf);
`cs` a machine.Pin, or whatever a call with 0 selects the chip, and with 1 lets it go again.

Those methods move a whole buffer. Part of one would be a slice, which allocates; a slice made
before would have to be one for each place and length. So there is one memoryview, the window,
which is moved to the bytes that are wanted (spi_viper.py), in the application's memory, too.
"""

import sys

from stack.kernel import reg_add
from stack.mpy import const
from stack.pbuf import LEAD, alloc

_RX = const(0)
_RX_NOBUF = const(2)
_RX_LONG = const(4)

_ZEROS = bytes(46)

if sys.implementation.name == "micropython" and not sys.maxsize >> 31:
    from .spi_viper import new_window, window
else:

    def window(state, buf, off, n):
        """Return a memoryview of the `n` bytes at buf[off], good until the next call."""
        return memoryview(buf)[off : off + n]

    def new_window():
        """Return what window() works on."""


class Bus:
    """The chip that `cs` selects on `spi`. Allocates only when made.

    Raises NotImplementedError where there can be no window (spi_viper.py)."""

    def __init__(self, spi, cs):
        self.cs = cs
        self.spi_write = spi.write
        self.spi_readinto = spi.readinto
        self.spi_exchange = spi.write_readinto
        self.window = new_window()
        cs(1)

    def exchange(self, out, buf):
        """Send `out` and fill `buf`, of the same length, with what comes back meanwhile."""
        self.cs(0)
        self.spi_exchange(out, buf)
        self.cs(1)

    def send(self, out):
        """Send `out`."""
        self.cs(0)
        self.spi_write(out)
        self.cs(1)

    # A longer transaction: begin(), any of read_all() and read(), end().

    def begin(self, head):
        """Select the chip, and send `head`."""
        self.cs(0)
        self.spi_write(head)

    def read(self, buf, off, n):
        """Read `n` bytes to buf[off]."""
        self.spi_readinto(window(self.window, buf, off, n))

    def read_all(self, buf):
        """Fill `buf`."""
        self.spi_readinto(buf)

    def end(self):
        """Let the chip go."""
        self.cs(1)

    def write(self, head, p, pad):
        """Send `head`, then chain `p`, from where it lies, then `pad` zeros (up to 46)."""
        write = self.spi_write
        self.cs(0)
        write(head)
        while p is not None:
            if p.len:
                write(window(self.window, p.buf, p.off, p.len))
            p = p.next
        if pad:
            write(window(self.window, _ZEROS, 0, pad))
        self.cs(1)


def room(pool, n, counters):
    """Return a pbuf for a received frame of `n` bytes, or None. Counted, either way, under the
    names that all drivers have. Allocates nothing."""
    if LEAD + n > pool.bufsize:
        why = _RX_LONG
        p = None
    else:
        p = alloc(pool, LEAD, n)
        why = _RX_NOBUF if p is None else _RX
    reg_add(counters, why, 1)
    return p


def sleep_ms(ms):
    """Wait. For set-up."""
    import time

    if hasattr(time, "sleep_ms"):
        time.sleep_ms(ms)
    else:
        time.sleep(ms / 1000)
