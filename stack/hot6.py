"""The registers that the kernels of IPv6's fast path work on, beside those of hot.py: one
array('I'), made when the first interface speaks IPv6.

    0 IP6, 1 ICMP6  where the counters of each begin
    2 TAKES  where the ports of UDP pcbs are that take what comes from anybody
    3 ROUTES  8 of 12: the neighbour's address, that of ours which packets to it come from, its MAC
            as hot[0] and hot[1] have ours, SUM of both addresses, MTU

A route is the way that a packet went, while nothing changes that could send the next one
elsewhere. SUM is a pseudo-header's, as it lies in memory; without a route it is 0. MTU is 0 if a
packet that may choose would come from another address of ours (RFC 6724). A connection that goes
the fast way has 0 in KEY_PEER, and in KEY_OWN its route's index. All routes end each second, when
lifetimes may, and whenever neighbours, routers, prefixes or addresses change: what is sent next
goes the readable way, and learn() notes which that was.
"""

from array import array

from . import addr6, icmp6, ipv6
from .kernel import cksum, copy, keep_where, reg_diff, reg_raw, reg_zero, same
from .kernel.six import frame_check6, tcp_ack6
from .mpy import const
from .pbuf import RAM, TRANSPORT, Pool

_ON = const(4)  # of hot
_SIX = const(57)
_KEY_OWN = const(33)  # of a connection
_ARMED = const(36)
_IP6 = const(0)
_ICMP6 = const(1)
_TAKES = const(2)
_ROUTES = const(3)
_ROUTE = const(12)
_ROUTE_REGS = const(96)
_MAC = const(8)
_SUM = const(10)
_MTU = const(11)
_FIXED = const(99)
_TCP_HLEN = const(20)
_LEAD = const(2)
_ALEN = const(16)
_SRC = const(22)  # of a frame
_DST = const(38)
_LAST = const(53)

_pair = bytearray(32)
_word = array("I", [0])


class Six:
    """What IPv6's fast path needs of a stack: net.six. Allocates; made at set-up."""

    def __init__(self, net):
        self.net = net
        self.look = frame_check6
        self.used = _FIXED + net.cfg.NUM_UDP_PCB
        self.regs = array("I", [0] * (self.used + len(ipv6.NAMES) + len(icmp6.NAMES)))
        self.regs[_TAKES] = _FIXED
        self.ack = p = Pool(1, TRANSPORT + _TCP_HLEN, RAM).items[0]
        p.off = _LEAD
        p.len = p.tot_len = TRANSPORT + _TCP_HLEN - _LEAD
        self.acknowledge = net.tcp.acknowledge
        net.tcp.acknowledge = tcp_ack6
        keep_where(net.hot, _SIX, self.regs)

    def counters(self, name, names):
        """As hot.counters(). Allocates; for set-up."""
        i = self.used
        self.used = i + len(names)
        self.regs[_ICMP6 if name == "icmp6" else _IP6] = i
        counts = memoryview(self.regs)[i : self.used]
        self.net.stats[name] = (names, counts)
        return counts

    def learn(self, netif, buf, off):
        """The frame at buf[off], a packet to a neighbour, was sent as it should be. The route is
        only new if there is none in its place."""
        regs = self.regs
        r = _ROUTES + (buf[off + _LAST] & 7) * _ROUTE
        net = self.net
        if regs[r + _SUM] or not net.hot[_ON] or netif is not net.netifs[0]:
            return
        ip6 = netif.ip6
        i = addr6.own(ip6, buf, off + _SRC)
        if i < 0 or ip6.state[i] == addr6.TENTATIVE:
            return
        for i in range(4):
            reg_raw(regs, r + i, buf, off + _DST + 4 * i)
            reg_raw(regs, r + 4 + i, buf, off + _SRC + 4 * i)
        regs[r + _MAC] = buf[off] | buf[off + 1] << 8
        reg_raw(regs, r + _MAC + 1, buf, off + 2)
        n = cksum(buf, off + _SRC, 2 * _ALEN, 0)
        regs[r + _SUM] = (n & 0xFF) << 8 | n >> 8
        copy(_pair, 0, buf, off + _DST, _ALEN)
        usual = addr6.source(ip6, _pair, _ALEN) and same(_pair, _ALEN, buf, off + _SRC, _ALEN)
        regs[r + _MTU] = ipv6.path_mtu(net, ip6, _pair, 0) if usual else 0

    def forget(self):
        """What neighbours there are, or which way leads to them, has changed, or may have."""
        reg_zero(self.regs, _ROUTES, _ROUTE_REGS)
        for pcb in self.net.tcp.pcbs:
            if pcb.alen != 4:
                pcb.regs[_ARMED] = pcb.regs[_KEY_OWN] = 0

    def link(self, pcb):
        """Note the connection's route. Returns whether there is one."""
        regs = self.regs
        r = _ROUTES + (pcb.key[_ALEN - 1] & 7) * _ROUTE
        if not regs[r + _SUM]:
            return False
        for i in range(8):
            reg_raw(_word, 0, pcb.key, 4 * i)
            if reg_diff(_word, 0, regs, r + i):
                return False
        pcb.regs[_KEY_OWN] = r
        return True


def start(net):
    """Let IPv6 go the fast way, too. Allocates; for set-up."""
    net.six = Six(net)
