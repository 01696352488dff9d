"""What must hold after hostile input, whatever it was. Runs on every interpreter.

begin(state)    a stack with one connection (or none) in `state`
poison(net, b)  fills all free buffers with b: what was never written must not be sent or decide
alive(lab)      a ping is answered, and a new connection works
finish(lab)     the application closes what is open, the peer is silent: all must come back
"""

from stack import pbuf, tcp, udp
from stack.err import OK
from tests.packets import ICMP, OTHER, OTHER_MAC, US, Ip4, arp, ether, icmp, is_ip
from tests.peer import ACK, FIN, SYN, App, Peer, accepted, connecting, listening
from tests.stack.tcp import states
from tests.support import Lab, pools_full

STATES = ("no pcb", "LISTEN", "SYN_SENT", "SYN_RCVD") + tuple(states.NAMES)
PORT = 8
_HOURS_MS = 20_000_000  # longer than any connection lasts whose peer is silent
_POLLS = 1000


class Bounded(Exception):
    """The stack would not stop."""


def begin(state):
    """Return (lab, app, peer): a connection in `state`, a UDP port, and mostly a listener."""
    if state == "no pcb":
        lab = Lab()
        app = App()
        peer = Peer(lab)
    elif state in ("LISTEN", "SYN_RCVD"):
        lab, app, _ = listening()
        peer = Peer(lab)
        if state == "SYN_RCVD":
            peer.send(SYN, mss=1460)
            peer.expect(SYN | ACK)
    elif state == "SYN_SENT":
        lab, app, peer = connecting()
    else:
        lab, app, peer = states.reach(state)
    u = udp.new(lab.net)
    assert udp.bind(u, None, 7) == OK
    udp.arg(u, app)
    udp.recv(u, _datagram)
    app.datagrams = app.octets = 0
    return lab, app, peer


def _datagram(app, u, p, addr, off, port):
    app.datagrams += 1
    app.octets += p.tot_len
    pbuf.free(p)


def poison(net, value):
    """Fill the free buffers of all pools with bytes of `value`."""
    for pool in (net.pool, net.ram):
        for i in pool.regs[4 : 4 + pool.avail]:
            p = pool.items[i]
            p.buf[:] = bytes((value,)) * len(p.buf)


def bounded(lab):
    """Let lab.poll() fail if the stack is never done."""
    real = lab.net.poll
    left = [_POLLS]

    def poll(now):
        left[0] -= 1
        if left[0] < 0:
            raise Bounded()
        after = real(now)
        if after:
            left[0] = _POLLS
        return after

    lab.net.poll = poll


def counters(net):
    """Return {"proto.name": count} of what is not zero, without those that every packet of a
    kind moves."""
    found = {}
    for proto, (names, counts) in net.stats.items():
        for i, name in enumerate(names):
            if counts[i] and name not in ("rx", "tx"):
                found[proto + "." + name] = counts[i]
    return found


def connections(net):
    """Return all that is known of the connections, to be compared."""
    if net.cfg.TCP_TINY:
        return [(p.state, bytes(p.key), list(p.regs), p.mss) for p in net.tcp.pcbs if p.in_use]
    return [
        (
            pcb.state,
            pcb.serial,
            bytes(pcb.key),
            list(pcb.regs),
            pcb.snd_wnd,
            pcb.mss,
            pcb.oo_n,
            pcb.regs[53],
            pcb.cwnd,
            pcb.dupacks,
            pcb.nrtx,
        )
        for pcb in net.tcp.pcbs
        if pcb.in_use
    ]


def ping(lab):
    """Assert that a ping is answered."""
    lab.put(arp(1, OTHER_MAC, OTHER, bytes(6), US))  # whatever was said in its name
    lab.frames.clear()
    lab.put(ether(icmp(8, 0, b"\x12\x34\x00\x01", b"are you there?", OTHER)))
    frame = lab.take(is_ip(ICMP))
    assert frame is not None, "no answer to a ping"
    body = Ip4(frame).body
    assert body[0] == 0 and body[4:] == b"\x12\x34\x00\x01are you there?"


def alive(lab):
    """Assert that a ping is answered and a new connection carries data both ways."""
    ping(lab)
    app = App()
    lpcb = lab.listen(PORT, accepted, app)
    peer = Peer(lab, 61_000, PORT, 0xFFFFFFF0, ip=OTHER)
    peer.send(SYN, mss=1460)
    peer.expect(SYN | ACK, seq=0, ack=1)
    peer.send(ACK, data=b"a question")
    assert app.data == b"a question"
    if lab.net.cfg.TCP_TINY:  # which acknowledges at once
        peer.expect(ACK, seq=1, ack=11)
    assert tcp.write(app.pcb, b"an answer", 0, 9) == OK
    tcp.output(app.pcb)
    peer.expect(ACK | 8, seq=1, ack=11, data=b"an answer")
    peer.send(FIN | ACK)
    peer.expect(ACK, seq=10, ack=12)
    tcp.close(app.pcb)
    peer.expect(FIN | ACK, seq=10, ack=12)
    peer.send(ACK)
    tcp.close(lpcb)


def finish(lab):
    """Close everything; the peers are silent. Assert that all ends by itself, and comes back."""
    net = lab.net
    for lpcb in net.tcp.listeners:
        if lpcb.in_use:
            tcp.close(lpcb)
    for pcb in tcp.pcbs(net):
        orphan = pcb.regs[21] & 8 if net.cfg.TCP_TINY else pcb.rx_closed
        if pcb.in_use and not orphan and tcp.close(pcb) != OK:
            tcp.abort(pcb)
    lab.driver.let_go()
    lab.wait(_HOURS_MS)
    pools_full(net)
    for pcb in net.tcp.pcbs if not net.cfg.TCP_TINY else ():
        for t in (pcb.t_rexmit, pcb.t_fast, pcb.t_life, pcb.t_poll):
            assert not t.running
