"""RFC 9293 sections 3.10.7.1 and 3.10.7.2: a segment in CLOSED and in LISTEN. Runs on every
interpreter."""

from stack import tcp
from tests.packets import ALL, BROADCAST, OTHER, PEER, TCP, US, b16, checksum, ip4, pseudo
from tests.packets import ether as frame
from tests.peer import ACK, FIN, MSS, PSH, RST, SYN, URG, App, Peer, accepted, gone, listening
from tests.support import Lab


def test_closed_syn():
    lab = Lab()
    peer = Peer(lab)
    peer.send(SYN)
    s = peer.expect(RST | ACK, ack=1)
    assert s.raw_seq == 0 and s.wnd == 0 and lab.count("tcp", "no_pcb") == 1
    lab.end()


def test_closed_syn_with_data_and_fin():
    lab = Lab()
    peer = Peer(lab)
    peer.send(SYN | FIN, data=b"hello")
    assert peer.expect(RST | ACK, ack=7).raw_seq == 0
    lab.end()


def test_closed_data_without_ack():
    lab = Lab()
    peer = Peer(lab)
    peer.send(0, seq=100, data=b"abc")
    assert peer.expect(RST | ACK, ack=103).raw_seq == 0
    lab.end()


def test_closed_ack():
    lab = Lab()
    peer = Peer(lab)
    for ack in (0, 1, 0x80, 0x12345678, -1):
        peer.send(ACK, seq=5, ack=ack, data=b"abc")
        assert peer.expect(RST, seq=ack).raw_ack == 0
    lab.end()


def test_closed_rst():
    lab = Lab()
    peer = Peer(lab)
    peer.send(RST)
    peer.send(RST | ACK)
    peer.send(RST | SYN)
    peer.silent()
    lab.end()


def test_closed_without_a_pbuf():
    lab = Lab(PBUF_RAM_SIZE=3)
    peer = Peer(lab)
    peer.send(SYN)
    peer.expect(RST | ACK)
    avail = lab.net.ram.avail
    lab.net.ram.avail = 0
    peer.send(SYN, seq=0)
    peer.silent()
    assert lab.count("tcp", "no_pbuf") == 1
    lab.net.ram.avail = avail
    lab.end()


def test_closed_broadcast():
    lab, app, _ = listening()  # RFC 9293 section 3.9.2.3: silently
    head = b16(1000) + b16(7) + bytes(8) + b"\x50\x02\x20\x00"
    cksum = checksum(pseudo(PEER, ALL, TCP, 20) + head + bytes(4))
    syn = head + b16(cksum) + bytes(2)
    lab.put(frame(ip4(TCP, syn, dst=ALL), dst=BROADCAST))
    cksum = checksum(pseudo(PEER, US, TCP, 20) + head + bytes(4))
    lab.put(frame(ip4(TCP, head + b16(cksum) + bytes(2)), dst=BROADCAST))
    assert lab.frames == [] and lab.count("tcp", "group") == 1
    gone(lab)
    lab.end()


def test_listen_syn():
    lab, app, lpcb = listening()
    peer = Peer(lab)
    peer.send(SYN, mss=MSS)
    peer.expect(SYN | ACK, seq=0, ack=1, mss=1460, wnd=lab.net.cfg.TCP_WND, data=b"", at=0)
    peer.silent()
    (pcb,) = tcp.pcbs(lab.net)
    assert tcp.state_name(pcb) == "SYN_RCVD" and lpcb.pending == 1
    assert app.log == [], "nobody hears of it until the handshake is over"
    lab.end()


def test_listen_syn_of_any_number():
    for iss in (0, 1, 0x12345678, 0x3FFFFFFF, 0x7FFFFFFF, 0x80000000, 0xC0000000, 0xFFFFFFFF):
        lab, app, _ = listening()
        peer = Peer(lab, iss=iss)
        peer.send(SYN, mss=MSS)
        peer.expect(SYN | ACK, seq=0, ack=1, wnd=5840)
        peer.send(ACK)
        peer.send(ACK, seq=5840, data=b"x")  # the last byte of the window
        peer.expect(ACK, ack=1, wnd=5840)
        peer.send(ACK, seq=1, data=b"abc")
        assert app.data == b"abc" and lab.count("tcp", "ooseq") == 1
        lab.end()


def test_listen_rst():
    lab, app, _ = listening()
    peer = Peer(lab)
    for flags in (RST, RST | ACK, RST | SYN, RST | SYN | ACK, RST | FIN):
        peer.send(flags)
        peer.silent()
    gone(lab)
    lab.end()


def test_listen_ack():
    lab, app, _ = listening()
    peer = Peer(lab)
    for flags in (ACK, ACK | SYN, ACK | FIN, ACK | PSH):
        peer.send(flags, seq=3, ack=77)
        assert peer.expect(RST, seq=77).raw_ack == 0
    gone(lab)
    lab.end()


def test_listen_anything_else():
    lab, app, _ = listening()
    peer = Peer(lab)
    for flags in (0, FIN, PSH, URG, FIN | PSH | URG):
        peer.send(flags, data=b"abc")
        peer.silent()
    gone(lab)
    lab.end()


def test_listen_syn_with_data():
    lab, app, _ = listening()
    peer = Peer(lab)
    peer.send(SYN, seq=0, data=b"early", mss=MSS)
    peer.expect(SYN | ACK, seq=0, ack=1)  # not acknowledged: so it will come again
    peer.send(ACK, seq=1, data=b"early")
    lab.wait(lab.net.cfg.TCP_DELACK)
    peer.expect(ACK, seq=1, ack=6)
    assert app.data == b"early"
    lab.end()


def test_listen_syn_with_fin():
    lab, app, _ = listening()
    peer = Peer(lab)
    peer.send(SYN | FIN, seq=0)
    peer.expect(SYN | ACK, seq=0, ack=1)
    lab.end()


def test_listen_two_syns_of_different_peers():
    lab, app, lpcb = listening()
    peers = [Peer(lab, port=port) for port in (1000, 1001)]
    for peer in peers:
        peer.send(SYN)
        peer.expect(SYN | ACK, seq=0, ack=1)
    assert lpcb.pending == 2
    for peer in peers:
        peer.send(ACK, seq=1)
    assert app.log == ["accepted"] * 2 and lpcb.pending == 0
    lab.end()


def test_listen_mss_option():
    cases = (
        (b"", 536),
        (b"\x02\x04\x02\x00", 512),
        (b"\x01\x01\x02\x04\x02\x00", 512),
        (b"\x03\x03\x07\x02\x04\x02\x00", 512),
        (b"\x04\x02\x08\x0a" + bytes(8) + b"\x02\x04\x02\x00", 512),
        (b"\x02\x04\x23\x28", 1460),  # never more than a frame holds
        (b"\x02\x04\xff\xff", 1460),
        (b"\x02\x04\x00\x00", 536),
        (b"\x02\x04\x00\x01", 64),  # too small to make progress with
        (b"\x00\x02\x04\x02\x00", 536),  # behind the end of the list
        (b"\x02\x03\x02\x00", 536),
        (b"\x02\x00\x02\x00", 536),
        (b"\x02\x01\x02\x04\x02\x00", 536),
        (b"\x01\x01\x02\x06\x02\x00\x01\x01", 536),
        (b"\x01\x01\x01\x02", 536),
        (b"\x01\x01\x0d\x00", 536),
        (b"\x03\x03\xff\xff", 536),
        (b"\xfe\x28\x02\x04", 536),
        (b"\x01" * 36 + b"\x02\x04\x02\x00", 512),
        (b"\x01" * 40, 536),
    )
    for options, mss in cases:
        lab, app, _ = listening()
        peer = Peer(lab)
        peer.send(SYN, options=options)
        peer.expect(SYN | ACK, ack=1)
        (pcb,) = tcp.pcbs(lab.net)
        assert pcb.mss == mss, (options, pcb.mss)
        lab.end()


def test_listen_offers_what_the_link_holds():
    lab, app, _ = listening()
    lab.nif.mtu = 600
    peer = Peer(lab)
    peer.send(SYN, mss=MSS)
    peer.expect(SYN | ACK, mss=560)
    assert tcp.pcbs(lab.net)[0].mss == 560
    lab.end()


def test_listen_backlog_full():
    lab, app, lpcb = listening(backlog=2, TCP_SYN_COOKIES=0)
    peers = [Peer(lab, port=1000 + i) for i in range(3)]
    for peer in peers:
        peer.send(SYN, seq=0)
    peers[0].expect(SYN | ACK)
    peers[1].expect(SYN | ACK)
    peers[2].silent()
    assert lab.count("tcp", "backlog_full") == 1
    peers[0].send(ACK, seq=1)
    peers[2].send(SYN, seq=0)
    peers[2].expect(SYN | ACK)
    lab.end()


def test_listen_no_pcb_free():
    lab, app, _ = listening(NUM_TCP_PCB=2, TCP_SYN_COOKIES=0)
    peers = [Peer(lab, port=1000 + i) for i in range(3)]
    for peer in peers:
        peer.send(SYN, seq=0)
    peers[2].silent()
    assert lab.count("tcp", "no_pcb_free") == 1
    peers[0].expect(SYN | ACK)
    peers[0].send(RST, seq=1)
    peers[2].send(SYN, seq=0)
    peers[2].expect(SYN | ACK)
    lab.end()


def test_listen_no_segment_or_pbuf():
    for empty in ("segs", "ram"):
        lab, app, lpcb = listening()
        peer = Peer(lab)
        pool = lab.net.ram if empty == "ram" else lab.net.tcp
        n = "avail" if empty == "ram" else "segs_avail"
        kept = getattr(pool, n)
        setattr(pool, n, 0)
        peer.send(SYN, seq=0)
        peer.silent()
        gone(lab)
        assert lpcb.pending == 0
        setattr(pool, n, kept)
        peer.send(SYN, seq=0)
        peer.expect(SYN | ACK)
        lab.end()


def test_listen_bound_to_an_address():
    lab = Lab()
    us, other = App(), App()
    lab.listen(7, accepted, us, ip=US)
    lab.listen(8, accepted, other, ip=OTHER)
    for port in (7, 8):
        peer = Peer(lab, to=port)
        peer.send(SYN)
        peer.expect(SYN | ACK if port == 7 else RST | ACK, ack=1)
        if port == 7:
            peer.send(ACK)
    assert us.pcb is not None and other.pcb is None
    lab.end()


def test_listen_malformed_segments():
    lab, app, _ = listening()
    head = b16(1000) + b16(7) + bytes(8)
    for n in range(20):
        lab.put(frame(ip4(TCP, (head + bytes(8))[:n])))
    assert lab.count("tcp", "bad_len") == 20
    for offset in (0, 1, 2, 3, 4, 6, 15):
        lab.put(frame(ip4(TCP, head + bytes((offset << 4, SYN)) + bytes(6))))
    assert lab.count("tcp", "bad_hlen") == 7
    good = Peer(lab).build(SYN, mss=MSS)
    for i in range(34, 58):
        bad = bytearray(good)
        bad[i] ^= 0x08
        lab.put(bytes(bad))
    assert lab.count("tcp", "bad_cksum") + lab.count("tcp", "bad_hlen") == 24 + 7
    assert lab.frames == []
    gone(lab)
    lab.end()
