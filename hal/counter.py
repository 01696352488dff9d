"""A clock made of a free-running 32-bit hardware counter, for a MicroPython without `time`.

    clock = Counter(0x4020009C)              LAN9118's FREE_RUN: 25 MHz, counts up
    clock = Counter(0x40000004, down=True)   MPS2's CMSDK timer 0, reloaded with 0xFFFFFFFF
    net.poll(clock())

MicroPython on a 32-bit processor only.
"""

from array import array

import micropython

from stack.mpy import const

_ADDRESS = const(0)
_DOWN = const(1)
_RATE = const(2)  # counts per ms
_LAST = const(3)  # the counter when it was read last, minus what has not made up a ms yet
_NOW = const(4)


@micropython.viper
def _read(r: ptr32) -> int:
    count = ptr32(r[_ADDRESS])[0]
    if r[_DOWN]:
        count = -1 - count
    rate = r[_RATE]
    elapsed = count - r[_LAST]
    ms = 0
    half = 0x3FFFFFFF // rate
    while elapsed < 0:  # 2^31 and more, in the register
        elapsed -= half * rate
        ms += half
    whole = elapsed // rate
    r[_LAST] = count - (elapsed - whole * rate)
    ms = (r[_NOW] + ms + whole) & 0x3FFFFFFF
    r[_NOW] = ms
    return ms


class Counter:
    """A clock: call it at least once in 2^32 counts (171 s at 25 MHz). Its time starts at 0.
    Allocates only when made."""

    def __init__(self, address, rate=25_000, down=False):
        self.regs = array("I", [address, down, rate, 0, 0])
        _read(self.regs)
        self.regs[_NOW] = 0

    def __call__(self):
        """Return the time in ms, 0..2^30-1."""
        return _read(self.regs)
