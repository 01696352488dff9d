"""A board without lwpy, as a user's is: MicroPython and an empty file system, in RAM that a soft
reset leaves alone. For trying out `make deploy`."""

import sys

import uctypes
import vfs

# Where it is, and how many blocks it has.
_DISKS = {"mps2-an385": (0x21000000, 4096), "renode-STM32H743": (0x30000000, 560)}
_BLOCK = 512
_AT, _BLOCKS = _DISKS[sys.implementation._machine.split()[0]]


class Ram:
    def __init__(self):
        self.data = uctypes.bytearray_at(_AT, _BLOCK * _BLOCKS)

    def readblocks(self, n, buf, off=0):
        at = n * _BLOCK + off
        buf[:] = memoryview(self.data)[at : at + len(buf)]

    def writeblocks(self, n, buf, off=0):
        at = n * _BLOCK + off
        memoryview(self.data)[at : at + len(buf)] = buf

    def ioctl(self, op, arg):
        return _BLOCKS if op == 4 else _BLOCK if op == 5 else 0


try:
    vfs.mount(Ram(), "/")
except OSError:
    vfs.VfsLfs2.mkfs(Ram())
    vfs.mount(Ram(), "/")
sys.path.append("/lib")
