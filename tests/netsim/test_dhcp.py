"""DHCP: our clients lease from our server, with losses. Runs on every interpreter."""

from hal.faults import Faults
from stack import dhcp, dhcpd, netif
from stack.err import OK

from .world import Limits, World

N = 5


def network(seed, *faults, lease=120, **limits):
    """Return a World whose stack 0 is the server of all others, which have no address."""
    w = World(count=N, seed=seed, faults=faults, configs=(Limits(DHCPD_LEASES=N, **limits),))
    assert dhcpd.start(w.nets[0].netifs[0], "10.0.0.100", lease, router="10.0.0.1") == OK
    for net in w.nets[1:]:
        netif.set_addr(net.netifs[0])
        assert dhcp.start(net.netifs[0]) == OK
    return w


def bound(w):
    """Return whether all clients are."""
    return all(net.netifs[0].dhcp.state == dhcp.BOUND for net in w.nets[1:])


def addresses(w):
    return sorted([bytes(net.netifs[0].ip) for net in w.nets[1:]])


def end(w):
    for net in w.nets[1:]:
        dhcp.release(net.netifs[0])
    w.run(None, 10_000)
    dhcpd.stop(w.nets[0].netifs[0])
    w.end()


def test_all_get_an_address_and_give_it_back():
    w = network(1, Faults(delay_ms=3))
    assert w.run(lambda: bound(w), 15_000)
    assert addresses(w) == [bytes((10, 0, 0, 100 + i)) for i in range(N - 1)]
    assert all(net.netifs[0].gw == w.ip(0) for net in w.nets[1:])
    end(w)
    assert w.count(0, "dhcpd", "released") == N - 1 and w.counts("arp", "conflict") == 0


def test_leases_are_kept_for_hours_with_losses():
    for seed in range(3):
        w = network(seed, Faults(loss=200, duplicate=50, reorder=50, delay_ms=5, jitter_ms=20))
        assert w.run(lambda w=w: bound(w), 400_000)
        first = addresses(w)
        assert len(set(first)) == N - 1
        w.run(None, 3_600_000)
        assert all(net.netifs[0].dhcp.lease == 120 for net in w.nets[1:])
        now = [a for a in addresses(w) if any(a)]
        assert len(now) >= N - 2 and len(set(now)) == len(now), "no address twice"
        end(w)


def test_an_address_that_somebody_took_is_declined():
    w = World(count=3, seed=1)
    server, thief, client = [net.netifs[0] for net in w.nets]
    netif.set_addr(thief, "10.0.0.100", "255.255.255.0")
    netif.set_addr(client)
    assert dhcpd.start(server, "10.0.0.100") == OK and dhcp.start(client) == OK
    assert w.run(lambda: client.dhcp.state == dhcp.BOUND, 60_000)
    assert client.ip == bytes((10, 0, 0, 101))
    assert w.count(0, "dhcpd", "declined") == w.count(2, "dhcp", "conflict") == 1
    dhcp.stop(client)
    dhcpd.stop(server)
    w.run(None, 10_000)
    w.end()


def test_the_server_has_forgotten_all():
    w = network(4, Faults(delay_ms=1))
    assert w.run(lambda: bound(w), 15_000)
    first = addresses(w)
    server = w.nets[0].netifs[0]
    dhcpd.start(server, "10.0.0.100", 120)  # as after a reset
    w.run(None, 600_000)
    assert addresses(w) == first and bound(w)
    end(w)


def test_without_a_server_all_have_addresses_of_autoip():
    w = World(count=3, seed=2, configs=(Limits(DHCP_AUTOIP=1),))
    for net in w.nets:
        netif.set_addr(net.netifs[0])
        dhcp.start(net.netifs[0])
    w.run(None, 30_000)
    ips = [bytes(net.netifs[0].ip) for net in w.nets]
    assert len(set(ips)) == 3 and all(ip[:2] == b"\xa9\xfe" for ip in ips)
    for net in w.nets:
        dhcp.stop(net.netifs[0])
    w.end()
