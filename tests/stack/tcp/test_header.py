"""stack/tcp/header.py: segments written and read, the window that is offered.
Runs on every interpreter."""

from stack import pbuf, tcp
from stack.kernel.tcp import tcp_window
from stack.tcp import header
from tests.packets import PEER, TCP, US, b16, b32, checksum, pseudo
from tests.peer import ACK, FIN, PSH, RST, SYN, URG, Peer, served
from tests.support import Lab

SND_NXT = 1
RCV_NXT = 5
RCV_ADV = 6
RCV_WND = 37
ACK_BYTES = 39
ACK_NOW = 40


def established(**limits):
    """Return (lab, pcb, peer): an open connection."""
    lab, app, peer = served(**limits)
    return lab, app.pcb, peer


def segment(lab, payloads=(), options=b""):
    """Return a chain: a header pbuf with `options`, then the payloads."""
    p = pbuf.alloc(lab.net.ram, pbuf.TRANSPORT, 20 + len(options))
    p.buf[pbuf.TRANSPORT + 20 : pbuf.TRANSPORT + 20 + len(options)] = options
    for data in payloads:
        pbuf.cat(p, pbuf.reference(lab.net.refs, data, 0, len(data)))
    return p


def emit(lab, pcb, payloads=(), flags=ACK, options=b"", up=0):
    p = segment(lab, payloads, options)
    header.emit(pcb, p, pcb.regs, SND_NXT, flags, 20 + len(options), up)
    pbuf.free(p)


def test_flags_are_the_rfcs():
    assert (header.FIN, header.SYN, header.RST) == (FIN, SYN, RST)
    assert (header.PSH, header.ACK, header.URG) == (PSH, ACK, URG)


def test_verify_covers_header_text_and_addresses():
    lab = Lab()
    for data in (b"", b"x", b"odd", b"even", bytes(range(255))):
        head = b16(1000) + b16(7) + b32(1) + b32(2) + b"\x50\x10\x20\x00"
        n = 20 + len(data)
        cksum = checksum(pseudo(PEER, US, TCP, n) + head + bytes(4) + data)
        body = head + b16(cksum) + b"\0\0" + data
        p = pbuf.alloc(lab.net.pool, 2, 8 + n)
        p.buf[2 : 10 + n] = PEER + US + body
        pbuf.header(p, -8)
        assert header.verify(p, 2, 4)
        for i in range(2, 10 + n):
            p.buf[i] ^= 0x20
            assert not header.verify(p, 2, 4), i
            p.buf[i] ^= 0x20
        pbuf.free(p)
    lab.end()


def test_verify_goes_through_a_chain():
    lab = Lab()
    data = b"some text of odd length"
    head = b16(1000) + b16(7) + b32(1) + b32(2) + b"\x50\x10\x20\x00"
    cksum = checksum(pseudo(PEER, US, TCP, 20 + len(data)) + head + bytes(4) + data)
    p = pbuf.alloc(lab.net.ram, 0, 28)
    p.buf[0:28] = PEER + US + head + b16(cksum) + b"\0\0"
    pbuf.header(p, -8)
    for part in (data[:1], data[1:4], b"", data[4:9], data[9:]):
        pbuf.cat(p, pbuf.reference(lab.net.refs, part, 0, len(part)))
    assert header.verify(p, 0, 4)
    pbuf.free(p)
    lab.end()


def test_emit_writes_a_segment_of_the_connection():
    lab, pcb, peer = established()
    emit(lab, pcb)
    s = peer.expect(ACK, seq=1, ack=1, wnd=5840, up=0, data=b"")
    assert (s.sport, s.dport) == (7, 1000)
    emit(lab, pcb, (b"text",), ACK | PSH | FIN)
    peer.expect(ACK | PSH | FIN, seq=1, data=b"text")
    lab.end()


def test_emit_with_odd_pieces():
    lab, pcb, peer = established()
    for pieces in ((b"a",), (b"a", b"bc"), (b"abc", b"", b"d", b"ef"), (b"ab", b"c", b"d", b"e")):
        emit(lab, pcb, pieces)
        peer.expect(ACK, data=b"".join(pieces))
    lab.end()


def test_emit_with_options():
    lab, pcb, peer = established()
    emit(lab, pcb, (b"text",), SYN | ACK, b"\x02\x04\x05\xb4\x01\x01\x01\x00")
    s = peer.expect(SYN | ACK, mss=1460, data=b"text")
    assert s.options == b"\x02\x04\x05\xb4\x01\x01\x01\x00"
    lab.end()


def test_emit_without_ack_has_no_acknowledgment_number():
    lab, pcb, peer = established()
    emit(lab, pcb, flags=RST)
    assert peer.expect(RST, seq=1).raw_ack == 0
    lab.end()


def test_emit_urgent():
    lab, pcb, peer = established()
    emit(lab, pcb, (b"text",), ACK, up=0x1234)
    peer.expect(ACK | URG, up=0x1234, data=b"text")
    lab.end()


def test_emit_with_ack_makes_others_needless():
    lab, pcb, peer = established()
    peer.send(ACK, data=b"hello")
    assert pcb.t_fast.running and pcb.regs[ACK_BYTES] == 5
    pcb.regs[ACK_NOW] = 1
    emit(lab, pcb)
    assert not pcb.t_fast.running and pcb.regs[ACK_BYTES] == 0 and not pcb.regs[ACK_NOW]
    lab.end()


def test_emit_without_ack_does_not():
    lab, pcb, peer = established()
    peer.send(ACK, data=b"hello")
    emit(lab, pcb, flags=RST)
    assert pcb.t_fast.running and pcb.regs[ACK_BYTES] == 5
    lab.end()


def test_send_control_without_a_pbuf():
    lab, pcb, peer = established()
    ram = lab.net.ram
    avail = ram.avail
    ram.avail = 0
    header.send_control(pcb, ACK)
    peer.silent()
    assert lab.count("tcp", "no_pbuf") == 1
    ram.avail = avail
    header.send_control(pcb, ACK)
    peer.expect(ACK, seq=1, ack=1)
    lab.end()


def test_send_control_counts_resets():
    lab, pcb, peer = established()
    header.send_control(pcb, RST | ACK)
    peer.expect(RST | ACK, seq=1, ack=1)
    assert lab.count("tcp", "rst_tx") == 1
    lab.end()


def edge(pcb):
    """Return how much window has been offered."""
    return (pcb.regs[RCV_ADV] - pcb.regs[RCV_NXT]) & 0xFFFFFFFF


def test_window_moves_right_by_a_worthwhile_step_only():
    lab, pcb, peer = established(TCP_WND=5840)
    wnd = pcb.regs[RCV_WND]
    shown = edge(pcb)
    assert shown == wnd == 5840
    pcb.regs[RCV_NXT] = (pcb.regs[RCV_NXT] + 2000) & 0xFFFFFFFF  # 2000 bytes have come
    for free in (3840, 4000, 5299):  # RFC 9293 section 3.8.6.2.2
        pcb.regs[RCV_WND] = free
        assert tcp_window(pcb.regs, pcb.mss, 0) == 3840 == edge(pcb)
    pcb.regs[RCV_WND] = 5300  # a segment more
    assert tcp_window(pcb.regs, pcb.mss, 0) == 5300 == edge(pcb)
    lab.end()


def test_window_of_a_small_buffer_moves_by_half_of_it():
    lab, pcb, peer = established(TCP_WND=2000, TCP_MSS=1460)
    pcb.regs[RCV_NXT] = (pcb.regs[RCV_NXT] + 2000) & 0xFFFFFFFF
    for free, shown in ((0, 0), (999, 0), (1000, 1000), (1999, 1000), (2000, 2000)):
        pcb.regs[RCV_WND] = free
        assert tcp_window(pcb.regs, pcb.mss, 0) == shown, free
    lab.end()


def test_window_never_moves_left():
    lab, pcb, peer = established()
    pcb.regs[RCV_WND] = 100
    assert tcp_window(pcb.regs, pcb.mss, 0) == 5840, "what was offered stays offered"
    lab.end()


def test_window_behind_a_fin_that_filled_it():
    lab, pcb, peer = established()
    pcb.regs[RCV_WND] = 0
    pcb.regs[RCV_NXT] = (pcb.regs[RCV_ADV] + 1) & 0xFFFFFFFF
    assert tcp_window(pcb.regs, pcb.mss, 0) == 0 == edge(pcb)
    lab.end()


def test_refuse_goes_back_where_the_segment_came_from():
    lab = Lab()
    peer = Peer(lab, port=0xFEDC, to=0x1234)
    peer.send(SYN, seq=-1, data=bytes(1000))
    s = peer.expect(RST | ACK, ack=1000)
    assert (s.sport, s.dport) == (0x1234, 0xFEDC) and s.raw_seq == 0 and s.wnd == 0
    assert tcp.pcbs(lab.net) == [] and lab.count("tcp", "rst_tx") == 1
    lab.end()
