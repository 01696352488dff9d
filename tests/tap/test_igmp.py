"""IGMP against the kernel's bridge, which asks as a router does and notes who is where."""

import subprocess

import pytest

from tests.tap.test_ping import wait_for

GROUP = "239.1.2.3"


@pytest.fixture(params=[2, 3])
def bridge(lab, request):
    """The TAP interface is a port of a bridge that snoops and asks, in version 2 or 3."""
    version = "mcast_igmp_version %d" % request.param
    words = "mcast_snooping 1 mcast_querier 1 mcast_query_interval 300 " + version
    try:
        lab.run("ip", "link", "add", "br0", "type", "bridge", *words.split())
        lab.run("ip", "addr", "flush", "dev", lab.DEV)
        lab.run("ip", "link", "set", lab.DEV, "master", "br0")
        lab.run("ip", "addr", "add", lab.IP + "/24", "dev", "br0")
        lab.run("ip", "link", "set", "br0", "up")
    except subprocess.CalledProcessError as e:
        pytest.skip("this kernel has no such bridge: " + e.stderr.strip())
    return request.param


def test_the_bridge_knows_our_groups(lab, start, bridge):
    lwpy = start(nonzero=["icmp.group"])  # a query that comes too soon
    assert lwpy.call("join", GROUP) == 0
    wait_for(lambda: GROUP in lab.run("bridge", "mdb", "show", "dev", "br0"))
    assert lwpy.call("leave", GROUP) == 0
    wait_for(lambda: GROUP not in lab.run("bridge", "mdb", "show", "dev", "br0"))
    assert lwpy.counter("igmp", "query") > 0  # is anybody else there?
