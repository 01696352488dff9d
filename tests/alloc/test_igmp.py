"""IGMP allocates nothing: joins, leaves, queries of all versions, what is dropped."""

from stack import igmp
from stack.err import ERR_ARG, ERR_MEM, OK

from ..packets import ether, ip4
from ..stack.test_igmp import ALL_HOSTS, MDNS, OTHER_GROUP, SAME_MAC, mac_of, query, sealed
from ..support import Limits
from .proof import nothing
from .script import Script
from .world import _brink, count


def _frame(body, dst=ALL_HOSTS):
    return ether(ip4(2, body, dst=dst, ttl=1), dst=mac_of(dst))


_FRAMES = (
    _frame(query()),
    _frame(query(code=0xFF)),
    _frame(query(group=MDNS), MDNS),
    _frame(query(more=b"\x00")),
    _frame(query()[:7]),
    _frame(b"\x11" + query()[1:-1] + b"\x07"),
    _frame(sealed(b"\x13" + bytes(7))),
    _frame(sealed(b"\x17" + bytes(7))),
    _frame(query(code=100, more=b"")),
    _frame(sealed(b"\x16\x00\x00\x00" + MDNS), MDNS),
    _frame(query(code=0, more=b"")),
)


def test_groups():
    def setup():
        s = Script(config=Limits(IGMP_GROUPS=2))
        igmp.start(s.net)
        _brink(s.net.stats["igmp"])
        nif = s.world.na

        def run():
            for frame in _FRAMES:
                assert igmp.joingroup(nif, MDNS) == OK
                assert igmp.joingroup(nif, OTHER_GROUP) == OK
                assert igmp.joingroup(nif, SAME_MAC) == ERR_MEM
                for _ in range(15):
                    s.step(1000)
                s.throw(frame)
                s.throw(_FRAMES[9])
                s.step(400)
                assert igmp.leavegroup(nif, OTHER_GROUP) == OK
                s.step(50)
                assert igmp.joingroup(nif, OTHER_GROUP) == OK
                for _ in range(15):
                    s.step(1000)
                assert igmp.leavegroup(nif, MDNS) == igmp.leavegroup(nif, OTHER_GROUP) == OK
                for _ in range(15):
                    s.step(1000)
                assert igmp.leavegroup(nif, MDNS) == igmp.joingroup(nif, nif.ip) == ERR_ARG
            assert igmp.joingroup(nif, ALL_HOSTS) == OK
            for _ in range(300):
                s.step(1000)
            ram = s.net.ram
            avail = ram.avail
            ram.avail = 0
            assert igmp.joingroup(nif, SAME_MAC) == OK
            ram.avail = avail
            nif.up = False
            s.step(1000)
            nif.up = True

        def check():
            s.world.check_pools()
            table = s.net.stats["igmp"]
            for why in table[0]:
                assert count(table, why), why

        return run, check

    nothing(setup)
