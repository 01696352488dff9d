"""A memoryview that can be moved, for MicroPython on a 32-bit machine. See spi.py.

A memoryview is four words, of which the third is its length and the fourth its address
(py/objarray.h, unchanged since there are memoryviews). Writing these two allocates nothing.
"""

from array import array

import micropython

from stack.mpy import const

_LEN = const(2)
_ITEMS = const(3)


@micropython.viper
def _is_view(at: ptr32, buf: ptr8, n: int) -> int:
    """Return 1 if at[0] is the address of a memoryview of the `n` bytes of `buf`, or else 0."""
    view = ptr32(at[0])
    if view[_LEN] == n:
        if view[_ITEMS] == int(buf):
            return 1
    return 0


@micropython.viper
def _move(at: ptr32, buf: ptr8, off: int, n: int):
    view = ptr32(at[0])
    view[_LEN] = n
    view[_ITEMS] = int(buf) + off


class Window:
    """Call it with (buf, off, n) for a memoryview of these bytes, good until the next call.

    Raises NotImplementedError if this interpreter has another idea of a memoryview. Allocates
    only when made."""

    def __init__(self):
        buf = bytearray(7)
        self.view = memoryview(buf)
        self.at = array("I", [id(self.view)])
        if not _is_view(self.at, buf, 7):
            raise NotImplementedError(
                "hal.spi: memoryviews of this MicroPython are laid out anew; see spi_viper.py"
            )

    def __call__(self, buf, off, n):
        _move(self.at, buf, off, n)
        return self.view
