"""Hash filters for group addresses: 64 bits, of which each address has one.

`groups` is a bytearray(64): how many of the addresses joined stand for each bit.
"""

import micropython


@micropython.viper
def crc_bit(mac: ptr8) -> int:
    """Return the bit, 0..63, that stands for an address: the upper six bits of the CRC-32 that the
    FCS uses, before its complement is taken. Allocates nothing."""
    crc = -1
    for i in range(6):
        byte = mac[i]
        for _ in range(8):
            top = (crc >> 31 ^ byte) & 1
            crc = crc << 1 ^ (0x04C11DB7 if top else 0)
            byte >>= 1
    return crc >> 26 & 0x3F


def half(groups, first):
    """Return 16 bits of the filter, from bit `first` on. Allocates nothing."""
    bits = 0
    for i in range(16):
        if groups[first + i]:
            bits |= 1 << i
    return bits
