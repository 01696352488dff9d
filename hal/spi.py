"""What the drivers of chips on an SPI bus share: transactions that allocate nothing.

`spi` is a machine.SPI, or whatever has its write(buf), readinto(buf) and write_readinto(out, buf);
`cs` a machine.Pin, or whatever a call with 0 selects the chip, and with 1 lets it go again.

Those methods move a whole buffer. Part of one would be a slice, which allocates; a slice made
before would have to be one for each place and length. So there is one memoryview, the window,
which is moved to the bytes that are wanted (spi_viper.py), in the application's memory, too.
"""

import sys

_ZEROS = bytes(46)

if sys.implementation.name == "micropython" and not sys.maxsize >> 31:
    from .spi_viper import Window
else:

    class Window:
        """Call it with (buf, off, n) for a memoryview of these bytes, good until the next call."""

        def __call__(self, buf, off, n):
            return memoryview(buf)[off : off + n]


class Bus:
    """The chip that `cs` selects on `spi`. Allocates only when made.

    Raises NotImplementedError where the window is not possible (spi_viper.py)."""

    def __init__(self, spi, cs):
        self.spi = spi
        self.cs = cs
        self.window = Window()
        cs(1)

    def exchange(self, out, buf):
        """Send `out` and fill `buf`, of the same length, with what comes back meanwhile."""
        self.cs(0)
        self.spi.write_readinto(out, buf)
        self.cs(1)

    def send(self, out):
        """Send `out`."""
        self.cs(0)
        self.spi.write(out)
        self.cs(1)

    def read(self, head, buf, off, n):
        """Send `head`, then read `n` bytes to buf[off]."""
        self.cs(0)
        self.spi.write(head)
        self.spi.readinto(self.window(buf, off, n))
        self.cs(1)

    def write(self, head, p, pad):
        """Send `head`, then chain `p`, from where it lies, then `pad` zeros (up to 46)."""
        spi = self.spi
        self.cs(0)
        spi.write(head)
        while p is not None:
            if p.len:
                spi.write(self.window(p.buf, p.off, p.len))
            p = p.next
        if pad:
            spi.write(self.window(_ZEROS, 0, pad))
        self.cs(1)


def sleep_ms(ms):
    """Wait. For set-up."""
    import time

    if hasattr(time, "sleep_ms"):
        time.sleep_ms(ms)
    else:
        time.sleep(ms / 1000)
