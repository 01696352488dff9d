"""The registers that the kernels of the fast path work on: one array('I') of each stack.

    0 MAC of the first netif: its first 2 bytes        9 ETH, 10 IP4, 11 TCP, 12 UDP, 13 ICMP:
    1 its last 4                                         where their counters begin: rx, then tx
    2 IP, 3 MASK of that netif                        14 LAST    the connection found last
    4 ON      1 if frames to it may go this way       15 CUR     the connection found
    5 SEED    of the hash of a connection             16 LEN     bytes of text found
    6 TABLE, 7 MASK of the connection table           17 CURRENT the connection whose segment is
    8 PCBS    where the first connection's are                   being processed
   18 OUT     the first connection that owes an ACK   19 BURST   a poll is taking frames
   20 NOW     the stack's time                        21 LINKS   counts changes of addresses
   22 TTL     of what is answered                     23 SUMMED  drivers leave the frame's sum

Connections are told by their numbers, from 1; 0 is none. Addresses, ports and the MAC are as
their bytes lie in memory. Behind these come the counters, the table, and the registers of each
connection (tcp/pcb.py). What a layer needs of them are memoryviews, so that nobody else has to
know where they lie.
"""

from array import array

from . import stats
from .mpy import const

_FIXED = const(24)
_MAC = const(0)
_IP = const(2)
_MASK = const(3)
_ON = const(4)
_LINKS = const(21)
_TTL = const(22)
_SUMMED = const(23)
PLACES = {"eth": 9, "ip4": 10, "tcp": 11, "udp": 12, "icmp": 13}


def init(net, n):
    """Give the stack its registers: `n` of them besides the fixed ones. Allocates; for set-up."""
    net.hot = array("I", [0] * (_FIXED + n))
    net.hot_used = _FIXED
    net.hot[_TTL] = net.cfg.IP_TTL


def part(net, n):
    """Return the index of `n` registers that nobody else has."""
    i = net.hot_used
    net.hot_used = i + n
    assert net.hot_used <= len(net.hot), "hot.init() was told of fewer"
    return i


def view(net, i, n):
    """Return a memoryview of `n` registers. Allocates; for set-up."""
    return memoryview(net.hot)[i : i + n]


def counters(net, name, names):
    """Return the counters `names` of the protocol `name`, and publish them in net.stats.
    Allocates; for set-up."""
    if net.hot is None:
        counts = stats.new(names)
    else:
        i = part(net, len(names))
        counts = view(net, i, len(names))
        if name in PLACES:
            net.hot[PLACES[name]] = i
    net.stats[name] = (names, counts)
    return counts
