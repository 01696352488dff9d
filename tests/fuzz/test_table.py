"""Each packet of the table, in each state of a connection.

Each is thrown twice, at stacks whose free buffers hold different rubbish: both must do the same.
"""

from stack import tcp
from stack.err import OK
from tests.fuzz import check
from tests.fuzz.frames import segment
from tests.fuzz.table import text
from tests.fuzz.table_tcp import TABLE
from tests.packets import num
from tests.peer import ACK, served

MAX_ANSWERS = 2  # frames sent at once for one received


def _throw(state, build, rubbish):
    """Throw one packet. Return what can be seen of what it did, and (lab, app, peer)."""
    lab, app, peer = check.begin(state)
    check.bounded(lab)
    check.poison(lab.net, rubbish)
    lab.frames.clear()
    before = check.counters(lab.net)
    connections = check.connections(lab.net)
    heard = len(app.log) + app.datagrams
    lab.put(build(peer))
    after = check.counters(lab.net)
    news = {k: v - before.get(k, 0) for k, v in after.items() if v != before.get(k, 0)}
    changed = connections != check.connections(lab.net)
    sent = [frame.data for frame in lab.frames]
    heard = len(app.log) + app.datagrams - heard
    return (news, changed, sent, heard), lab, app, peer


def _row(state, name, build, counter):
    seen, lab, app, peer = _throw(state, build, 0)
    assert seen == _throw(state, build, 0xFF)[0], "it depends on what nobody wrote"
    news, changed, sent, heard = seen
    assert len(sent) <= MAX_ANSWERS, "%d answers" % len(sent)
    for frame in sent:
        assert num(frame, 12, 2) in (0x800, 0x806)
    if counter is not None:
        assert counter in news, "counted as %s" % news
        assert not changed and not heard
    elif not sent and not heard and not changed:
        assert news or _quiet(name), "dropped, and not counted"
    if state == "ESTABLISHED" and app.pcb is not None and app.pcb.state == 4:
        _goes_on(lab, app, peer)
    check.alive(lab)
    check.finish(lab)


def _quiet(name):
    """Is the packet one that rightly changes nothing, and is not dropped? ARP that tells nothing,
    and ACKs."""
    return name.startswith(
        ("ARP", "echo reply", "ACK", "ECE,CWR", "urgent pointer 0 with nothing")
    )


def _goes_on(lab, app, peer):
    """The peer sends its data, and again what was cut off: it must arrive as it was sent."""
    for _ in range(2):
        lab.put(segment(peer, ACK, data=text(peer, 0, 600)))
        lab.put(segment(peer, ACK, 600, data=text(peer, 600, 1000)))
    stream = text(peer, 0, 8000)
    assert len(app.data) >= 1600 or "fin" in app.log, "%d bytes arrived" % len(app.data)
    assert app.data == stream[: len(app.data)]


def _all(state):
    wrong = []
    for name, build, counter in TABLE:
        try:
            _row(state, name, build, counter)
        except Exception as e:
            wrong.append("%s: %s" % (name, repr(e)))
    assert not wrong, "%s: %d of %d:\n%s" % (state, len(wrong), len(TABLE), "\n".join(wrong))


def test_no_connection():
    _all("no pcb")


def test_listening():
    _all("LISTEN")


def test_syn_sent():
    _all("SYN_SENT")


def test_syn_received():
    _all("SYN_RCVD")


def test_established():
    _all("ESTABLISHED")


def test_fin_wait_1():
    _all("FIN_WAIT_1")


def test_fin_wait_2():
    _all("FIN_WAIT_2")


def test_close_wait():
    _all("CLOSE_WAIT")


def test_closing():
    _all("CLOSING")


def test_last_ack():
    _all("LAST_ACK")


def test_time_wait():
    _all("TIME_WAIT")


def test_the_table_is_full():
    names = [name for name, _, _ in TABLE]
    assert len(set(names)) == len(TABLE) > 700


def test_an_mss_of_any_size():
    for mss in (0, 1, 63, 64, 87, 536, 1461, 65535):
        lab, app, peer = served(mss=mss)
        data = text(peer, 0, 700)
        assert tcp.write(app.pcb, data, 0, 700) == OK
        tcp.output(app.pcb)
        got = b""
        for _ in range(40):
            s = peer.take()
            while s is not None:
                assert len(s.data) <= max(mss or 536, 64)
                got = got[: s.seq - 1] + s.data
                s = peer.take()
            peer.send(ACK, seq=1, ack=1 + len(got))
        assert got == data, "MSS %d" % mss
        check.finish(lab)


def test_udp_takes_what_its_own_length_says():
    for name, build, _ in TABLE:
        if name == "UDP shorter than IPv4 says":
            lab, app, peer = check.begin("no pcb")
            lab.put(build(peer))
            assert app.datagrams == 1 and app.octets == 0
            check.finish(lab)
            return
    raise AssertionError("no such row")
