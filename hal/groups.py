"""Hash filters for group addresses: 64 bits, of which each address has one.

`groups` is a bytearray(64): how many of the addresses joined stand for each bit.
"""

import micropython


@micropython.viper
def crc_bit(mac: ptr8, last: int) -> int:
    """Return the bit, 0..63, that stands for an address: of the CRC-32 that the FCS uses, before
    its complement is taken, the six bits that are sent first, the first one uppermost; or with
    last=1 the six sent last, the last one uppermost. Allocates nothing."""
    crc = -1
    for i in range(6):
        byte = mac[i]
        for _ in range(8):
            top = (crc >> 31 ^ byte) & 1
            crc = crc << 1 ^ (0x04C11DB7 if top else 0)
            byte >>= 1
    if last == 0:
        return crc >> 26 & 0x3F
    bit = 0
    for i in range(6):
        bit = bit << 1 | crc >> i & 1
    return bit


def half(groups, first):
    """Return 16 bits of the filter, from bit `first` on. Allocates nothing."""
    bits = 0
    for i in range(16):
        if groups[first + i]:
            bits |= 1 << i
    return bits
