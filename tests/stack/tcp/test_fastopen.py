"""stack/tcp/fastopen.py: Fast Open (RFC 7413), as a server. Runs on every interpreter."""

from stack import pbuf, tcp
from stack.err import ERR_VAL, OK
from tests.packets import OTHER
from tests.peer import ACK, FIN, MSS, PSH, RST, SYN, Peer, gone, listening

ASK = b"\x22\x02\x01\x01"
HOUR = 3_600_000


def serving(n=4, **limits):
    """Return (lab, app, lpcb) of a listener that takes text with the SYN."""
    limits.setdefault("TCP_FASTOPEN", 2)
    lab, app, lpcb = listening(**limits)
    assert tcp.fastopen(lpcb, n) == OK
    return lab, app, lpcb


def with_cookie(cookie):
    return bytes((34, 2 + len(cookie))) + cookie + b"\x01" * (-(2 + len(cookie)) % 4)


def found(s):
    """Return the cookie in a SYN,ACK, or None."""
    at = s.options.find(b"\x22")
    return s.options[at + 2 : at + s.options[at + 1]] if at >= 0 else None


def cookie_of(lab, app, port=900, **more):
    """Let a client ask for a cookie, and return it."""
    peer = Peer(lab, port=port, **more)
    peer.send(SYN, mss=MSS, options=ASK)
    cookie = found(peer.expect(SYN | ACK, seq=0, ack=1))
    peer.send(RST)
    assert app.took() == [] and len(cookie) == 8
    return cookie


def early(lab, cookie, data=b"GET /", port=1000, flags=SYN, ip=None):
    """Return the peer whose SYN has brought `cookie` and `data`."""
    peer = Peer(lab, port=port) if ip is None else Peer(lab, port=port, ip=ip)
    peer.send(flags, options=with_cookie(cookie), mss=MSS, data=data)
    return peer


def test_text_of_the_syn_is_taken_at_once():
    lab, app, lpcb = serving()
    cookie = cookie_of(lab, app)
    peer = early(lab, cookie)
    assert app.took() == ["accepted", "got 5"] and app.data == b"GET /"
    s = peer.expect(SYN | ACK, seq=0, ack=6)
    assert found(s) is None and tcp.state_name(app.pcb) == "SYN_RCVD" and lpcb.early == 1
    assert lpcb.pending == 0 and lab.count("tcp", "fastopen_taken") == 1
    peer.send(ACK)
    peer.silent()
    assert tcp.state_name(app.pcb) == "ESTABLISHED" and app.log == [] and lpcb.early == 0
    peer.send(ACK | PSH, data=b"more")
    assert app.took() == ["got 4"]
    lab.end()


def test_the_answer_does_not_wait_for_the_ack():
    lab, app, lpcb = serving()
    app.on["recv"] = lambda pcb: tcp.write(pcb, bytes(2000), 0, 2000)
    peer = early(lab, cookie_of(lab, app))
    peer.expect(SYN | ACK, seq=0, ack=6, data=b"")
    peer.expect(ACK, seq=1, ack=6, data=1460)
    peer.silent()  # Nagle
    peer.send(ACK, ack=1461)
    assert app.took() == ["accepted", "got 5", "sent 1460"]
    peer.expect(ACK | PSH, seq=1461, ack=6, data=540)
    peer.send(ACK, ack=2001)
    assert app.took() == ["sent 540"] and tcp.state_name(app.pcb) == "ESTABLISHED"
    lab.end()


def test_a_short_answer_does_not_wait_either():
    lab, app, lpcb = serving()
    cookie = cookie_of(lab, app)
    app.on["recv"] = lambda pcb: tcp.write(pcb, b"200 OK", 0, 6)
    peer = early(lab, cookie)
    peer.expect(SYN | ACK, seq=0, ack=6, data=b"")
    peer.expect(ACK | PSH, seq=1, ack=6, data=b"200 OK")
    assert tcp.write(app.pcb, b"more", 0, 4) == OK and tcp.output(app.pcb) == OK
    peer.silent()  # Nagle
    peer.send(ACK, ack=1)  # that of the SYN,ACK alone
    assert lab.count("tcp", "dup_ack") == 0
    peer.silent()
    peer.send(ACK, ack=7)
    peer.expect(ACK | PSH, seq=7, ack=6, data=b"more")
    lab.end()


def test_the_application_closes_in_its_first_callback():
    lab, app, lpcb = serving()

    def answer(pcb):
        assert tcp.write(pcb, b"200 OK", 0, 6) == OK
        return tcp.close(pcb)

    app.on["recv"] = answer
    peer = early(lab, cookie_of(lab, app))
    peer.expect(SYN | ACK, seq=0, ack=6)
    assert peer.expect(ACK | FIN | PSH, seq=1, ack=6).data == b"200 OK"
    peer.send(ACK | FIN, ack=8)
    assert app.took() == ["accepted", "got 5"]
    peer.expect(ACK, seq=8, ack=7)
    assert lpcb.early == 1  # until the pcb is free
    lab.wait(60_000)
    gone(lab)
    assert lpcb.early == 0 and lpcb.early_gone == 0
    lab.end()


def test_a_syn_without_text_is_taken_as_well():
    lab, app, lpcb = serving()
    peer = early(lab, cookie_of(lab, app), b"")
    assert app.took() == ["accepted"]
    peer.expect(SYN | ACK, seq=0, ack=1)
    peer.send(ACK, data=b"x")
    assert app.took() == ["got 1"]
    lab.end()


def test_a_request_for_a_cookie_does_not_bring_text():
    lab, app, lpcb = serving()
    peer = Peer(lab)
    peer.send(SYN, mss=MSS, options=ASK, data=b"GET /")
    assert len(found(peer.expect(SYN | ACK, ack=1))) == 8 and app.log == []
    peer.send(ACK, seq=1, data=b"GET /")
    assert app.took() == ["accepted", "got 5"] and lab.count("tcp", "fastopen_bad") == 0
    lab.end()


def test_wrong_cookies_bring_another():
    lab, app, lpcb = serving()
    cookie = cookie_of(lab, app)
    wrong = [cookie[:7] + bytes((cookie[7] ^ 1,)), cookie[:6], cookie + b"\0\0", bytes(16), b"1"]
    for i, bad in enumerate(wrong):
        peer = early(lab, bad, port=1000 + i)
        assert app.log == []
        assert found(peer.expect(SYN | ACK, ack=1)) == cookie
        peer.send(RST, seq=1)
    assert lab.count("tcp", "fastopen_bad") == 5 and lpcb.early == 0
    lab.end()


def test_a_cookie_is_good_for_one_address():
    lab, app, lpcb = serving()
    cookie = cookie_of(lab, app)
    peer = early(lab, cookie, ip=OTHER)
    another = found(peer.expect(SYN | ACK, ack=1))
    assert app.took() == [] and another != cookie
    peer.send(RST, seq=1)
    early(lab, another, port=1001, ip=OTHER).expect(SYN | ACK, ack=6)
    assert app.took() == ["accepted", "got 5"]
    lab.end()


def test_other_boots_have_other_cookies():
    cookies = []
    for i in range(2):
        lab, app, lpcb = serving()
        if i:
            lab.net._secret[1] ^= 1
            lab.net.tcp.fastopen.renew()
        cookies.append(cookie_of(lab, app))
        lab.end()
    assert cookies[0] != cookies[1]


def test_keys_are_renewed():
    lab, app, lpcb = serving()
    first = cookie_of(lab, app)
    lab.wait(HOUR - 1)
    early(lab, first, port=1).expect(SYN | ACK, ack=6)
    lab.wait(1)
    peer = early(lab, first, port=2)
    second = found(peer.expect(SYN | ACK, ack=6))
    assert second is not None and second != first, "still good, and the next one comes with it"
    lab.wait(HOUR)
    early(lab, first, port=3).expect(SYN | ACK, ack=1)
    early(lab, second, port=4).expect(SYN | ACK, ack=6)
    lab.wait(2 * HOUR)
    early(lab, second, port=5).expect(SYN | ACK, ack=1)
    third = cookie_of_quietly(lab)
    assert third not in (first, second)
    lab.end()


def cookie_of_quietly(lab):
    peer = Peer(lab, port=901)
    peer.send(SYN, mss=MSS, options=ASK)
    return found(peer.take())


def test_no_more_than_n_before_their_handshakes():
    lab, app, lpcb = serving(n=1)
    cookie = cookie_of(lab, app)
    first = early(lab, cookie, port=1)
    first.expect(SYN | ACK, ack=6)
    second = early(lab, cookie, port=2)
    s = second.expect(SYN | ACK, ack=1)
    assert found(s) is None and lab.count("tcp", "fastopen_full") == 1
    second.send(ACK, seq=1, data=b"GET /")
    assert app.took() == ["accepted", "got 5", "accepted", "got 5"]
    first.send(ACK)
    early(lab, cookie, port=3).expect(SYN | ACK, ack=6)
    lab.end()


def test_who_is_reset_counts_for_a_minute():
    lab, app, lpcb = serving(n=1)
    cookie = cookie_of(lab, app)
    first = early(lab, cookie, port=1)
    first.expect(SYN | ACK, ack=6)
    first.send(RST)
    assert app.took() == ["accepted", "got 5", "err -14"]
    lab.wait(59_000)
    early(lab, cookie, port=2).expect(SYN | ACK, ack=1)
    lab.wait(1_000)
    early(lab, cookie, port=3).expect(SYN | ACK, ack=6)
    assert lpcb.early == 1 and lpcb.early_gone == 0
    lab.end()


def test_only_where_it_is_switched_on():
    lab, app, lpcb = serving(n=0)
    peer = early(lab, bytes(8))
    assert found(peer.expect(SYN | ACK, ack=1)) is None
    lab.end()
    for mode, client, server in ((0, ERR_VAL, ERR_VAL), (1, OK, ERR_VAL), (2, ERR_VAL, OK)):
        lab, app, lpcb = listening(TCP_FASTOPEN=mode)
        pcb = tcp.new(lab.net)
        assert tcp.fastopen(lpcb, 4) == server and tcp.fastopen(pcb, 1) == client
        assert (lab.net.tcp.fastopen is None) == (mode == 0)
        peer = early(lab, bytes(8))
        assert (found(peer.expect(SYN | ACK, ack=1)) is not None) == (server == OK)
        lab.end()


def test_the_syn_ack_is_lost():
    lab, app, lpcb = serving()
    peer = early(lab, cookie_of(lab, app))
    peer.expect(SYN | ACK, ack=6)
    assert app.took() == ["accepted", "got 5"]
    peer.send(SYN, seq=0, mss=MSS)  # again, and plain
    s = peer.expect(SYN | ACK, seq=0, ack=6)
    assert found(s) is None
    lab.wait(1000)
    peer.expect(SYN | ACK, seq=0, ack=6)
    peer.send(SYN, seq=0, mss=MSS, data=b"GET /")
    peer.expect(SYN | ACK, seq=0, ack=6)
    peer.send(ACK, seq=6, ack=1)
    assert app.log == [] and tcp.state_name(app.pcb) == "ESTABLISHED"
    lab.end()


def test_nobody_answers_the_syn_ack():
    lab, app, lpcb = serving(TCP_SYNMAXRTX=2)
    early(lab, cookie_of(lab, app))
    lab.wait(10_000)
    assert app.took() == ["accepted", "got 5", "err -3"]
    gone(lab)
    assert lpcb.early_gone == 1
    lab.end()


def test_a_fin_comes_again():
    lab, app, lpcb = serving()
    peer = early(lab, cookie_of(lab, app), b"all", flags=SYN | FIN)
    peer.expect(SYN | ACK, ack=4)
    assert app.took() == ["accepted", "got 3"]
    peer.send(ACK | FIN, seq=4)
    assert app.took() == ["fin"]
    lab.end()


def test_an_application_that_does_not_want_it():
    for name in ("accept", "recv"):
        lab, app, lpcb = serving()
        cookie = cookie_of(lab, app)
        if name == "accept":
            app.on["accept"] = lambda pcb: -1
        else:
            app.on["recv"] = lambda pcb: tcp.abort(pcb) or -13
        peer = early(lab, cookie)
        s = peer.expect(RST | ACK)
        assert s.ack == (1 if name == "accept" else 6)
        peer.silent()
        gone(lab)
        lab.end()


def test_text_that_is_refused_is_offered_again():
    lab, app, lpcb = serving()
    app.refuse = -1
    cookie = cookie_of(lab, app)
    peer = early(lab, cookie)
    assert peer.expect(SYN | ACK, ack=6).wnd == lab.net.cfg.TCP_WND - 5
    app.refuse = OK
    lab.wait(100)
    assert app.took() == ["accepted", "refused", "got 5"]
    peer.send(ACK)
    lab.end()


def test_unread_text_and_a_close_make_a_reset():
    lab, app, lpcb = serving()
    app.consume = False
    peer = early(lab, cookie_of(lab, app))
    peer.expect(SYN | ACK, ack=6)
    assert tcp.close(app.pcb) == OK
    peer.expect(RST | ACK)
    lab.end()


def test_without_a_pbuf_to_spare_the_text_comes_again():
    lab, app, lpcb = serving()
    cookie = cookie_of(lab, app)
    pool = lab.net.pool
    taken = [pbuf.alloc(pool, 0, 1) for _ in range(pool.size - 1)]
    peer = early(lab, cookie)
    peer.expect(SYN | ACK, ack=1)
    assert app.took() == ["accepted"] and lab.count("tcp", "pool_low") == 1
    for p in taken:
        pbuf.free(p)
    peer.send(ACK, seq=1, data=b"GET /")
    assert app.took() == ["got 5"]
    lab.end()


def test_a_listener_that_closes_leaves_them_open():
    lab, app, lpcb = serving()
    peer = early(lab, cookie_of(lab, app))
    peer.expect(SYN | ACK, ack=6)
    tcp.close(lpcb)
    again = lab.listen(8)
    assert again is lpcb and again.early == 0
    peer.send(ACK)
    assert tcp.state_name(app.pcb) == "ESTABLISHED" and again.early == 0
    lab.end()


def test_a_full_backlog_makes_it_a_plain_syn():
    lab, app, lpcb = serving(TCP_BACKLOG=1)
    cookie = cookie_of(lab, app)
    Peer(lab, port=1).send(SYN)
    peer = early(lab, cookie)
    s = peer.take()
    assert s.flags == SYN | ACK and s.ack == 1 and found(s) is None and app.log == []
    lab.end()


def test_the_option_is_read_no_further_than_it_may():
    lab, app, lpcb = serving()
    for i, options in enumerate((b"\x22\x13" + bytes(18), b"\x22\x0a\0\0", b"\x22\x00", b"\x22")):
        peer = Peer(lab, port=1000 + i)
        peer.send(SYN, options=options)
        assert found(peer.expect(SYN | ACK, ack=1)) is None
        peer.send(RST, seq=1)
    lab.end()
