"""What tests of IPv6 share: a Lab (support.py) whose stack speaks it.

lab = Lab6(); lab.put6(packet)
"""

from stack import host6
from stack.err import OK

from .packets import OTHER_MAC, PEER_MAC
from .packets6 import GLOBAL, GLOBAL_PEER, ICMP6, IP6, PEER6, ROUTER6, US6, Ip6, ether6, ip, is_ip6
from .packets6 import na as advert
from .support import Lab

ROUTER_MAC = b"\x02\x00\x00\x00\x00\xfe"
OTHER6 = ip("fe80::3")
NEIGHBOURS6 = {
    PEER6: PEER_MAC,
    GLOBAL_PEER: PEER_MAC,
    OTHER6: OTHER_MAC,
    ROUTER6: ROUTER_MAC,
}


class Lab6(Lab):
    """A Lab that has link-local address US6, and GLOBAL if `more`. Neighbours answer solicitations
    by themselves while `arp` is set; those exchanges are not in `frames`, nor are reports of MLD,
    unless `reports` is set."""

    reports = False

    def __init__(self, more=False, secret=None, wait=True, **limits):
        super().__init__(**limits)
        host6.start(self.nif, secret)
        if more:
            assert host6.add(self.nif, GLOBAL) == OK
        if wait:
            self.wait(3_000)
            self.frames.clear()
            self.zero()

    def zero(self):
        """Set all counters to 0."""
        for _, counters in self.net.stats.values():
            for i in range(len(counters)):
                counters[i] = 0

    def put6(self, *packets, src=PEER_MAC):
        """Let the stack receive IPv6 packets, and poll it."""
        self.put(*(ether6(packet, src) for packet in packets))

    def sent(self, driver, frame):
        body = frame.body
        if self.arp and frame.type == IP6 and body[6] == ICMP6 and body[40] == 135:
            mac = NEIGHBOURS6.get(body[48:64])
            flags = 0xE0 if mac == ROUTER_MAC else 0x60
            if mac is not None and any(body[8:24]):
                driver.inbox.append(
                    ether6(advert(body[48:64], flags, dst=body[8:24], mac=mac), mac)
                )
                return
        if frame.type != IP6 or body[6] or self.reports:
            super().sent(driver, frame)

    def take6(self, proto=ICMP6, kind=None):
        """Return the first such IPv6 packet that was sent, read and checked; or None."""
        frame = self.take(is_ip6(proto, kind))
        return frame and Ip6(frame).check()


assert US6  # for those who import it from here
