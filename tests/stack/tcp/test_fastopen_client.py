"""stack/tcp/fastopen.py: Fast Open (RFC 7413), as a client. Runs on every interpreter."""

from stack import pbuf, tcp
from stack.err import ERR_RST, OK
from tests.packets import OTHER, PEER, TCP, b16, b32, is_ip, num
from tests.peer import ACK, FIN, MSS, PSH, RST, SYN, App, Peer, connected, gone
from tests.support import Lab

COOKIE = b"\xc0\x0c\x1e\x05\x99\x00\x22\x34"
HOUR = 3_600_000
TEXT = bytes(range(256)) * 12


def given(cookie=COOKIE):
    return bytes((34, 2 + len(cookie))) + cookie + b"\x01" * (-(2 + len(cookie)) % 4)


def client(**limits):
    limits.setdefault("TCP_FASTOPEN", 1)
    return Lab(**limits)


def calling(lab, data=b"", ip=PEER, flags=0):
    """Return (app, peer, its SYN): a connection whose SYN may carry `data`."""
    app = App()
    pcb = tcp.new(lab.net)
    app.attach(pcb)
    assert tcp.fastopen(pcb, 1) == OK
    assert tcp.connect(pcb, ip, 80, connected) == OK
    lab.poll()
    assert lab.frames == [], "not before output()"
    if data:
        assert tcp.write(pcb, data, 0, len(data), flags) == OK
    assert tcp.output(pcb) == OK
    lab.poll()
    peer = Peer(lab, port=80, to=tcp.local_port(pcb), ip=ip)
    return app, peer, peer.take()


def learnt(lab, cookie=COOKIE, ip=PEER, mss=MSS):
    """Let the server at `ip` give us a cookie."""
    app, peer, syn = calling(lab, ip=ip)
    assert syn.flags == SYN and asks(syn)
    peer.ack = 1
    peer.send(SYN | ACK, mss=mss, options=given(cookie))
    assert app.took() == ["connected"]
    tcp.abort(app.pcb)
    lab.frames.clear()


def asks(s):
    return s.options.endswith(b"\x01\x01\x22\x02")


def shown(s):
    """Return the cookie in the SYN, or None."""
    at = s.options.find(b"\x22")
    return s.options[at + 2 : at + s.options[at + 1]] if at >= 0 else None


def test_a_cookie_is_asked_for_and_the_text_waits():
    lab = client()
    app, peer, syn = calling(lab, b"GET /")
    assert syn.flags == SYN and syn.data == b"" and asks(syn)
    peer.ack = 1
    peer.send(SYN | ACK, mss=MSS, options=given())
    assert app.took() == ["connected"]
    assert peer.expect(ACK | PSH, seq=1, ack=1).data == b"GET /"
    peer.send(ACK, ack=6)
    assert app.took() == ["sent 5"] and lab.count("tcp", "fastopen_sent") == 0
    lab.end()


def test_the_syn_carries_cookie_and_text():
    lab = client()
    learnt(lab)
    app, peer, syn = calling(lab, b"GET /")
    assert syn.flags == SYN and syn.data == b"GET /" and shown(syn) == COOKIE
    peer.send(SYN | ACK, mss=MSS, ack=6)
    assert app.took() == ["connected", "sent 5"]
    peer.expect(ACK, seq=6, ack=1, data=b"")
    assert lab.count("tcp", "fastopen_sent") == lab.count("tcp", "fastopen_acked") == 1
    lab.wait(10_000)
    peer.silent()
    assert tcp.write(app.pcb, b"more", 0, 4) == OK and tcp.output(app.pcb) == OK
    peer.expect(ACK | PSH, seq=6, ack=1, data=b"more")
    peer.send(ACK, ack=10)
    assert tcp.shutdown(app.pcb, False, True) == OK
    peer.expect(ACK | FIN, seq=10, ack=1)
    peer.send(ACK, ack=11, data=b"bye")
    lab.wait(100)
    peer.expect(ACK, seq=11, ack=4)  # the FIN is one, whatever the SYN has carried
    lab.end()


def test_text_comes_with_the_syn_ack():
    lab = client()
    learnt(lab)
    app, peer, syn = calling(lab, b"GET /")
    peer.send(SYN | ACK, mss=MSS, ack=6, data=b"200 OK")
    assert app.took() == ["connected", "sent 5", "got 6"]
    lab.wait(100)
    peer.expect(ACK, seq=6, ack=7)
    lab.end()


def test_the_text_is_not_acknowledged():
    lab = client()
    learnt(lab)
    app, peer, syn = calling(lab, b"GET /")
    other = COOKIE[4:] + COOKIE[:4]
    peer.send(SYN | ACK, mss=MSS, ack=1, options=given(other))
    assert app.took() == ["connected"]
    assert peer.expect(ACK | PSH, seq=1, ack=1).data == b"GET /"
    assert lab.count("tcp", "fastopen_refused") == 1
    peer.send(ACK, ack=6)
    assert app.took() == ["sent 5"]
    app, peer, syn = calling(lab, b"GET /")
    assert shown(syn) == other, "the server's key is a new one"
    lab.end()


def test_half_of_the_text_is_acknowledged():
    lab = client()
    learnt(lab)
    app, peer, syn = calling(lab, TEXT[:1000])
    assert syn.data == TEXT[:1000]
    peer.send(SYN | ACK, mss=MSS, ack=401)
    assert app.took() == ["connected", "sent 400"]
    assert peer.expect(ACK | PSH, seq=401, ack=1).data == TEXT[400:1000]
    peer.send(ACK, ack=1001)
    assert app.took() == ["sent 600"] and lab.count("tcp", "fastopen_refused") == 1
    lab.end()


def test_more_text_than_a_syn_holds():
    for flags in (0, tcp.COPY):
        lab = client(PBUF_RAM_SIZE=64)
        learnt(lab)
        app, peer, syn = calling(lab, TEXT, flags=flags)
        n = 1460 - len(syn.options)
        assert syn.data == TEXT[:n]
        peer.send(SYN | ACK, mss=MSS, ack=1 + n)
        data = b""
        while len(data) < len(TEXT) - n:
            s = peer.take()
            assert s.seq == 1 + n + len(data)
            data += s.data
            peer.send(ACK, ack=s.seq + len(s.data))
        assert data == TEXT[n:]
        log = app.took()
        assert log[:2] == ["connected", "sent %d" % n]
        assert sum(int(event[5:]) for event in log[1:]) == len(TEXT)
        lab.end()


def test_the_mss_is_remembered():
    lab = client()
    learnt(lab, mss=500)
    app, peer, syn = calling(lab, TEXT)
    assert syn.data == TEXT[: 500 - len(syn.options)]
    lab.end()


def test_a_lost_syn_is_sent_plain_and_so_are_those_of_the_next_hour():
    lab = client()
    learnt(lab)
    app, peer, syn = calling(lab, b"GET /")
    lab.wait(1000)
    again = peer.expect(SYN, seq=0, data=b"")
    assert shown(again) is None
    peer.ack = 1
    peer.send(SYN | ACK, mss=MSS)
    assert app.took() == ["connected"] and lab.count("tcp", "fastopen_lost") == 1
    assert peer.expect(ACK | PSH, seq=1, ack=1).data == b"GET /"
    tcp.abort(app.pcb)
    for ms, asked in ((0, False), (HOUR - 1, False), (1, True)):
        lab.wait(ms)
        lab.frames.clear()
        app, peer, syn = calling(lab, b"GET /")
        assert syn.data == b"" and asks(syn) == asked, ms
        tcp.abort(app.pcb)
    lab.end()


def test_the_first_syn_was_only_slow():
    lab = client()
    learnt(lab)
    app, peer, syn = calling(lab, b"GET /")
    lab.wait(1000)
    peer.expect(SYN, seq=0)
    peer.send(SYN | ACK, mss=MSS, ack=6)
    assert app.took() == ["connected", "sent 5"] and lab.count("tcp", "fastopen_lost") == 1
    peer.expect(ACK, seq=6, ack=1)
    lab.end()


def test_cookies_of_every_length():
    for n in range(19):
        lab = client(TCP_TIMESTAMPS=True)
        app, peer, syn = calling(lab)
        cookie = bytes(range(100, 100 + n))
        echo = syn.options[syn.options.find(b"\x08\x0a") + 2 :][:4]
        peer.ack = 1
        option = bytes((34, 2 + n)) + cookie + b"\1" * (-(2 + n) % 4)
        peer.send(SYN | ACK, options=b"\2\4" + b16(MSS) + b"\1\1\x08\x0a" + b32(7) + echo + option)
        tcp.abort(app.pcb)
        lab.frames.clear()
        app, peer, syn = calling(lab, b"x")
        good = n in (4, 6, 8, 10, 12, 14, 16)
        assert shown(syn) == (cookie if good else b""), n
        assert syn.data == (b"x" if good else b"") and len(syn.options) <= 40
        lab.end()


def test_each_server_has_its_own_and_the_oldest_is_forgotten():
    lab = client(TCP_FASTOPEN_CACHE=2)
    hosts = [OTHER, PEER, bytes((10, 0, 0, 254))]
    for i in range(3):
        learnt(lab, bytes([i] * 8), hosts[i])
    for i in range(3):
        app, peer, syn = calling(lab, b"x", hosts[i])
        assert shown(syn) == (bytes([i] * 8) if i else b"")
        tcp.abort(app.pcb)
        lab.frames.clear()
    lab.end()


def test_a_server_that_does_not_know_it():
    lab = client()
    for _ in range(2):
        app, peer, syn = calling(lab, b"GET /")
        assert asks(syn)
        peer.ack = 1
        peer.send(SYN | ACK, mss=MSS)
        assert peer.expect(ACK | PSH, seq=1).data == b"GET /"
        tcp.abort(app.pcb)
        lab.frames.clear()
    lab.end()


def test_connections_that_do_not_ask():
    lab = client()
    learnt(lab)
    pcb = tcp.new(lab.net)
    assert tcp.fastopen(pcb, 1) == tcp.fastopen(pcb, 0) == OK
    assert tcp.connect(pcb, PEER, 80, None) == OK
    lab.poll()
    assert b"\x22" not in lab.take(is_ip(TCP)).body[40:]
    assert tcp.fastopen(pcb, 1) != OK, "too late"
    lab.end()


def test_a_reset_answers():
    lab = client()
    learnt(lab)
    app, peer, syn = calling(lab, b"GET /")
    peer.send(RST | ACK, ack=6)
    assert app.took() == ["err %d" % ERR_RST]
    gone(lab)
    lab.end()


def test_without_a_ref_pbuf_the_text_waits():
    lab = client()
    learnt(lab)
    app = App()
    pcb = tcp.new(lab.net)
    app.attach(pcb)
    tcp.fastopen(pcb, 1)
    assert tcp.connect(pcb, PEER, 80, connected) == OK
    assert tcp.write(pcb, b"GET /", 0, 5) == OK
    refs = lab.net.refs
    taken = [pbuf.reference(refs, TEXT, 0, 1) for _ in range(refs.avail)]
    tcp.output(pcb)
    peer = Peer(lab, port=80, to=tcp.local_port(pcb))
    syn = peer.take()
    assert syn.data == b"" and shown(syn) == COOKIE
    for p in taken:
        pbuf.free(p)
    peer.ack = 1
    peer.send(SYN | ACK, mss=MSS)
    assert peer.expect(ACK | PSH, seq=1).data == b"GET /"
    lab.end()


def test_both_open_at_once():
    lab = client()
    learnt(lab)
    app, peer, syn = calling(lab, b"GET /")
    peer.send(SYN, seq=0, mss=MSS)
    s = peer.expect(SYN | ACK, seq=0, ack=1, data=b"")
    assert shown(s) is None
    peer.send(ACK, ack=1)
    assert app.took() == ["connected"]
    assert peer.expect(ACK | PSH, seq=1, ack=1).data == b"GET /"
    lab.end()


def test_close_before_anything_was_sent():
    lab = client()
    pcb = tcp.new(lab.net)
    tcp.fastopen(pcb, 1)
    assert tcp.connect(pcb, PEER, 80, None) == OK and tcp.write(pcb, TEXT, 0, 100) == OK
    assert tcp.close(pcb) == OK
    assert lab.frames == []
    lab.end()


def test_timestamps_leave_less_room():
    lab = client(TCP_TIMESTAMPS=True)
    app, peer, syn = calling(lab)
    tsval = syn.options[syn.options.find(b"\x08\x0a") + 2 :][:4]
    peer.ack = 1
    ts = b"\1\1\x08\x0a" + b32(7) + tsval
    peer.send(SYN | ACK, options=b"\2\4" + b16(MSS) + ts + given())
    tcp.abort(app.pcb)
    lab.frames.clear()
    app, peer, syn = calling(lab, TEXT)
    assert shown(syn) == COOKIE and len(syn.data) == 1460 - len(syn.options)
    assert num(syn.options, 2, 2) == MSS
    lab.end()
