"""A host that finds everything by itself: what DHCP, a router and DHCPv6 tell reaches DNS and SNTP
without allocation."""

from stack import auto, dhcp
from stack.kernel import same

# isort: split
from ..packets import GATEWAY, OTHER, PEER_MAC
from ..packets6 import ether6, ip, ra, rdnss
from ..stack.test_dhcp6 import REPLY, option
from .proof import nothing
from .test_dhcp import Player, changed
from .test_dhcp6 import Dhcp

ROUTER = ip("2001:db8::53")
SERVER = ip("2001:db8::54")


class Limits:
    DHCP_ACD = False
    DNS_SERVERS = 5


def tell(arg, days, seconds, ms):
    raise AssertionError("nobody has told the time")


def _with(clock, status):
    """Return a player whose interface finds everything, and the messages of router and server."""
    p = Player(config=Limits)
    s = p.script
    auto.start(p.nif, b"board", clock, status, p)
    heard = s.frame(ether6(ra(opts=rdnss(1000, ROUTER), flags=0x40), PEER_MAC))
    v6 = Dhcp(s, p.nif.ip6.dhcp6)
    v6.add(REPLY, option(2, b"\x00\x02abcdefgh"), option(23, SERVER))
    return p, heard, v6


def _asked(net):
    """Return the addresses of the name servers."""
    return [bytes(ip) if ip else None for ip in net.dns.servers]


def test_all_that_is_told_is_used():
    def setup():
        p, heard, v6 = _with(tell, changed)
        net = p.script.net

        def run():
            p.bind()
            for _ in range(4):
                p.step(1000)
            p.script.throw(heard)
            v6.wait(3)
            v6.say(0)
            assert same(net.sntp.servers[0].ip4, 0, GATEWAY, 0, 4)

        def check():
            assert _asked(net) == [GATEWAY, OTHER, ROUTER, SERVER, None]
            assert net.sntp.servers[0].alen == 4 and net.sntp.servers[1].alen == 0
            assert p.events == 1 and p.client.name == b"board"
            p.end()
            assert p.events == 2 and p.client.state == dhcp.OFF
            p.script.world.check_pools()

        return run, check

    nothing(setup)


def test_without_a_clock():
    def setup():
        p, heard, v6 = _with(None, None)

        def run():
            p.bind()

        def check():
            assert _asked(p.script.net) == [GATEWAY, OTHER, None, None, None]
            assert not hasattr(p.script.net, "sntp") and p.events == 0
            p.end()
            p.script.world.check_pools()

        return run, check

    nothing(setup)
