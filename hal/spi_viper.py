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
def window(state, buf: ptr8, off: int, n: int):
    """Return a memoryview of the `n` bytes at buf[off], good until the next call."""
    view = ptr32(ptr32(state[0])[0])
    view[_LEN] = n
    view[_ITEMS] = int(buf) + off
    return state[1]


def new_window():
    """Return what window() works on. Allocates; for set-up.

    Raises NotImplementedError if this interpreter has another idea of a memoryview."""
    buf = bytearray(7)
    view = memoryview(buf)
    at = array("I", [id(view)])
    if not _is_view(at, buf, 7):
        raise NotImplementedError(
            "hal.spi: memoryviews of this MicroPython are laid out anew; see spi_viper.py"
        )
    return at, view
