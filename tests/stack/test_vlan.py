"""stack/vlan.py, by IEEE 802.1Q. Runs on every interpreter."""

from stack import netif, pbuf, udp, vlan
from stack.err import ERR_IF, OK
from tests.packets import (
    ARP,
    BROADCAST,
    IP4,
    MAC,
    PEER,
    US,
    Frame,
    Ip4,
    arp,
    b16,
    checksum,
    ether,
    icmp,
)
from tests.packets import udp as datagram
from tests.support import Lab, content

VID = 0x123
VUS = bytes((192, 168, 5, 1))
VPEER = bytes((192, 168, 5, 2))
VPEER_MAC = b"\x02\x00\x00\x00\x05\x02"
PING = icmp(8, 0, b"\0\1\0\2", b"are you there?", VPEER, VUS)


def answered(lab):
    """Let a neighbour in the VLAN answer ARP."""
    driver = lab.driver
    send = driver.tx

    def tx(p):
        data = content(p)
        if data[12:18] == b"\x81\x00" + b16(VID) + b"\x08\x06":
            if data[25] == 1 and data[42:46] == VPEER:
                driver.inbox.append(tag(arp(2, VPEER_MAC, VPEER, MAC, VUS)))
                return OK
        return send(p)

    driver.tx = tx


def tag(frame, vid=VID, pcp=0):
    """Return the frame with a tag."""
    return frame[:12] + b"\x81\x00" + b16(pcp << 13 | vid) + frame[12:]


def untag(frame, vid=VID, pcp=0):
    """Check a sent frame's tag. Return it without."""
    assert frame.data[12:16] == b"\x81\x00" + b16(pcp << 13 | vid), frame.data[12:16]
    return Frame(frame.data[:12] + frame.data[16:], frame.at)


def trunk(**limits):
    """Return (lab, the VLAN's netif)."""
    lab = Lab(**limits)
    answered(lab)
    nif = vlan.add(lab.net, lab.nif, VID, VUS, "255.255.255.0")
    netif.set_up(nif)
    lab.frames.clear()
    return lab, nif


def test_a_ping_in_the_vlan_is_answered_in_it():
    lab, nif = trunk()
    for pcp in (0, 5, 7):
        nif.driver.pcp = pcp
        lab.put(tag(ether(PING, src=VPEER_MAC), pcp=3))
        frame = untag(lab.take(), pcp=pcp)
        assert frame.dst == VPEER_MAC and frame.src == MAC and frame.type == IP4
        out = Ip4(frame)
        assert out.src == VUS and out.dst == VPEER and out.body[8:] == b"are you there?"
    names, counts = nif.driver.stats
    assert counts[0] == 4 and counts[1] == 5, "with ARP"
    lab.end()


def test_the_parent_goes_on_without_tags():
    lab, nif = trunk()
    for _ in range(3):
        lab.put(ether(icmp(8, 0, b"\0\1\0\2")))
        assert Ip4(lab.take()).dst == PEER
    lab.end()


def test_tags_of_others_are_dropped():
    lab, nif = trunk()
    lab.put(tag(ether(PING), 0x124), tag(ether(PING), 4095), tag(ether(PING), 0xFFF))
    assert lab.count("vlan", "unknown") == 3 and lab.frames == []
    lab.put(tag(ether(b"x", 0x1234)), tag(ether(b"x", 46)))
    assert lab.count("vlan", "no_proto") == 2
    for n in range(4):
        lab.put(tag(ether(PING))[: 14 + n])
    assert lab.count("vlan", "short") == 4 and lab.frames == []
    netif.set_down(nif)
    lab.put(tag(ether(PING)))
    assert lab.count("vlan", "down") == 1
    lab.end()


def test_a_priority_tag_is_the_parents():
    lab, nif = trunk()
    lab.put(tag(ether(icmp(8, 0, b"\0\1\0\2", b"x")), 0, 6))
    out = Ip4(lab.take())
    assert out.src == US and out.dst == PEER
    lab.end()


def test_tags_in_tags_are_no_endless_task():
    lab, nif = trunk()
    frame = ether(PING)
    for vid in (0, VID):
        deep = frame[:12] + (b"\x81\x00" + b16(vid)) * 340 + frame[12:]
        lab.put(deep)
    assert lab.count("vlan", "no_proto") + lab.count("vlan", "unknown") == 2
    assert lab.frames == []
    lab.end()


def test_a_vlan_over_a_vlan():
    lab, nif = trunk()
    inner = vlan.add(lab.net, nif, 7, "192.168.7.1", "255.255.255.0", pcp=1)
    netif.set_up(inner)
    assert inner.mtu == nif.mtu - 4 == lab.nif.mtu - 8 and inner.name == "test.291.7"
    lab.frames.clear()
    peer = bytes((192, 168, 7, 2))
    request = arp(1, VPEER_MAC, peer, bytes(6), bytes((192, 168, 7, 1)), dst=BROADCAST)
    lab.put(tag(tag(request, 7)))
    frame = untag(untag(lab.take()), 7, 1)
    assert frame.type == ARP and frame.dst == VPEER_MAC
    lab.end()


def test_what_has_no_headroom_gets_a_pbuf_in_front():
    lab, nif = trunk()
    u = udp.new(lab.net)
    assert udp.bind(u, None, 7) == OK
    udp.recv(u, lambda arg, u, p, addr, off, port: kept.append(p))
    kept = []
    lab.put(ether(datagram(9, 7, b"to be passed on")))
    p = kept.pop()
    assert udp.sendto(u, p, VPEER, 0, 8) == OK
    pbuf.free(p)
    lab.poll()
    out = Ip4(untag(lab.take()))
    assert out.dst == VPEER and out.body[8:] == b"to be passed on"
    assert checksum(out.pseudo() + out.body) == 0
    lab.put(ether(datagram(9, 7, b"to be passed on")))
    p = kept.pop()
    hogs = [pbuf.alloc(lab.net.ram, 0, 0) for _ in range(lab.net.ram.size - 1)]
    assert udp.sendto(u, p, VPEER, 0, 8) != OK and nif.driver.counters[5] == 1
    for q in hogs + [p]:
        pbuf.free(q)
    udp.remove(u)
    lab.end()


def test_long_datagrams_are_cut_for_its_mtu():
    lab, nif = trunk()
    data = bytes(i & 0xFF for i in range(2000))
    u = udp.new(lab.net)
    assert udp.bind(u, None, 7) == OK
    p = pbuf.reference(lab.net.refs, data, 0, 2000)
    assert udp.sendto(u, p, VPEER, 0, 8) == OK
    pbuf.free(p)
    lab.poll()
    bodies = [untag(frame).body for frame in lab.frames]
    assert b"".join([body[20:] for body in bodies])[8:] == data and len(bodies[0]) == 1492
    udp.remove(u)
    lab.end()


def test_the_parent_is_down():
    lab, nif = trunk()
    lab.put(tag(ether(PING, src=VPEER_MAC)))
    lab.frames.clear()
    netif.set_down(lab.nif)
    p = pbuf.alloc(lab.net.ram, pbuf.TRANSPORT, 60)
    assert nif.driver.tx(p) == ERR_IF and nif.driver.counters[5] == 1
    pbuf.free(p)
    assert nif.driver.link() and nif.driver.rx() is None
    nif.driver.multicast(bytes(6), True)
    lab.end()


def test_bad_arguments():
    lab, nif = trunk()
    for vid, pcp in ((0, 0), (4095, 0), (-1, 0), (1, 8), (1, -1), (VID, 0)):
        try:
            vlan.add(lab.net, lab.nif, vid, pcp=pcp)
        except ValueError:
            continue
        raise AssertionError("accepted: %d %d" % (vid, pcp))
    lab.end()
