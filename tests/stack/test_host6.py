"""An interface's IPv6 addresses: identifiers, duplicate address detection, lifetimes."""

from stack import addr6, host6, netif
from stack.err import ERR_ARG, ERR_MEM, OK

from ..packets6 import ANY6, GLOBAL, ICMP6, NODES, PEER6, US6, group_of, ip, na, ns
from ..support6 import Lab6

TENTATIVE, DEPRECATED, PREFERRED = addr6.TENTATIVE, addr6.DEPRECATED, addr6.PREFERRED


def states(lab):
    """Return {address: state}."""
    ip6 = lab.nif.ip6
    return {
        bytes(ip6.addrs[16 * i : 16 * i + 16]): ip6.state[i] for i in range(ip6.n) if ip6.state[i]
    }


def test_link_local_address_of_the_mac():
    lab = Lab6()
    assert states(lab) == {US6: PREFERRED}
    lab.end()


def test_identifiers_of_a_secret():
    """The same at every start; another for another prefix, secret or MAC address."""
    seen = []
    for secret in (b"a secret", b"a secret", b"another secret", b"a secret, longer than 8"):
        lab = Lab6(more=True, secret=secret)
        local = [a for a in states(lab) if a != GLOBAL][0]
        assert local[:8] == ip("fe80::")[:8]
        seen.append(local)
        out = bytearray(GLOBAL)
        host6.identify(lab.nif.ip6, out, 0)
        assert out[:8] == GLOBAL[:8] and out[8:] != local[8:]
        lab.end()
    assert seen[0] == seen[1] and len(set(seen)) == 3


def test_duplicates_asked_for():
    lab = Lab6(wait=False)
    lab.wait(1000)
    q = lab.take6(ICMP6, 135)
    assert (q.src, q.dst, q.hops) == (ANY6, group_of(US6), 255)
    assert q.body[8:] == US6  # no option
    assert states(lab) == {US6: TENTATIVE}
    lab.wait(1000)
    assert states(lab) == {US6: PREFERRED} and not lab.frames
    lab.end()


def test_how_often_is_told():
    for n in (0, 3):
        lab = Lab6(wait=False, ND_DAD_TRANSMITS=n)
        lab.wait(1000 + 1000 * n)
        assert states(lab) == {US6: PREFERRED}
        assert lab.count("nd", "ns_tx") == n
        lab.end()


def test_starts_at_another_time_each():
    times = set()
    for i in range(8):
        lab = Lab6(wait=False)
        for _ in range(i):
            lab.net.random16()
        lab.nif.ip6.timer.running = False
        netif.set_up(lab.nif)
        lab.wait(1000)
        times.add(lab.take6(ICMP6, 135).at)
    assert len(times) > 4 and max(times) <= 1000


def test_somebody_has_it():
    """Told by the one who has it, or by one who wants it too."""
    for packet in (na(US6, 0x20, dst=NODES), ns(US6, src=ANY6)):
        lab = Lab6(wait=False)
        lab.wait(1000)
        lab.put6(packet)
        assert states(lab) == {} and lab.count("nd", "duplicate") == 1
        lab.wait(10_000)
        assert states(lab) == {}
        lab.end()


def test_tentative_address_is_silent():
    """A neighbour that asks for it as one asks for an address in use is not answered."""
    lab = Lab6(wait=False)
    lab.put6(ns(US6))
    lab.wait(500)
    assert not lab.take6(ICMP6, 136) and states(lab) == {US6: TENTATIVE}
    lab.end()


def test_next_candidates_of_a_secret():
    lab = Lab6(wait=False, secret=b"a secret")
    seen = []
    for _ in range(4):
        lab.wait(1000)
        (addr,) = states(lab)
        seen.append(addr)
        lab.put6(na(addr, 0x20, dst=NODES))
    assert len(set(seen)) == 4 and states(lab) == {}
    lab.end()


def test_a_bad_prefix_is_refused():
    lab = Lab6()
    for plen in (-1, 129):
        for fn in (host6.add, lambda nif, ip, n: host6.gateway(nif, PEER6, ip, n)):
            try:
                fn(lab.nif, GLOBAL, plen)
            except ValueError:
                continue
            raise AssertionError("accepted: %d" % plen)
    assert states(lab) == {US6: PREFERRED} and not any(lab.nif.ip6.r_left)
    lab.end()


def test_added():
    lab = Lab6(IP6_ADDRS=3, IP6_PREFIXES=2)
    one, two, three = ip("2001:db8::5"), ip("2001:db9::5"), ip("2001:dba::5")
    assert host6.add(lab.nif, "2001:db8::5", 48) == OK
    assert host6.add(lab.nif, one, 48) == ERR_ARG
    assert host6.add(lab.nif, two) == OK
    assert host6.add(lab.nif, three) == ERR_MEM  # no room for its prefix
    assert host6.add(lab.nif, "2001:db9::6") == ERR_MEM  # nor for an address
    assert lab.count("nd", "no_room") == 1
    lab.wait(2000)
    assert states(lab) == {US6: PREFERRED, one: PREFERRED, two: PREFERRED}
    host6.remove(lab.nif, addr6.own(lab.nif.ip6, one, 0))
    assert states(lab) == {US6: PREFERRED, two: PREFERRED} and lab.nif.ip6.usable == 2
    lab.end()


def test_no_group_for_an_address():
    lab = Lab6(IP6_ADDRS=4, IP6_GROUPS=5)
    from stack import mld

    for i in range(3):
        assert mld.join(lab.nif, ip("ff02::7%d" % i), 0) == OK
    assert host6.add(lab.nif, "2001:db8::5") == ERR_MEM
    lab.end()


def test_lifetimes():
    lab = Lab6()
    i = host6.assign(lab.nif, GLOBAL, 0, 30, 10)
    lab.wait(3000)
    assert states(lab)[GLOBAL] == PREFERRED
    lab.wait(6000)
    assert states(lab)[GLOBAL] == PREFERRED
    lab.wait(2000)
    assert states(lab)[GLOBAL] == DEPRECATED
    lab.put6(ns(GLOBAL))
    assert lab.take6(ICMP6, 136)
    lab.wait(18_000)
    assert states(lab)[GLOBAL] == DEPRECATED
    lab.wait(1000)
    assert states(lab) == {US6: PREFERRED} and lab.nif.ip6.usable == 1 and i == 1
    lab.end()


def test_deprecated_from_the_beginning():
    lab = Lab6()
    host6.assign(lab.nif, GLOBAL, 0, 100, 0)
    lab.wait(3000)
    assert states(lab)[GLOBAL] == DEPRECATED
    lab.end()


def test_down_and_up():
    """What was duplicate-free before may not be so any more."""
    lab = Lab6()
    netif.set_down(lab.nif)
    lab.wait(2000)
    assert not lab.nif.ip6.timer.running
    netif.set_up(lab.nif)
    assert states(lab) == {US6: TENTATIVE} and lab.nif.ip6.usable == 0
    lab.wait(2000)
    assert states(lab) == {US6: PREFERRED} and lab.nif.ip6.usable == 1
    netif.set_addr(lab.nif, "10.0.0.1", "255.255.255.0")
    assert states(lab) == {US6: PREFERRED}
    lab.end()


def test_prefixes_and_routers_end():
    lab = Lab6()
    ip6 = lab.nif.ip6
    addr6.add_prefix(ip6, GLOBAL, 0, 64, 5)
    ip6.r_left[0] = 3
    ip6.r_left[1] = addr6.FOREVER
    lab.wait(3000)
    assert list(ip6.r_left[:2]) == [0, addr6.FOREVER] and addr6.on_link(ip6, GLOBAL, 0)
    lab.wait(2000)
    assert not addr6.on_link(ip6, GLOBAL, 0)
    lab.end()
