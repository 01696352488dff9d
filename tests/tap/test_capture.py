"""The judge of the recorded packets: that it finds what is wrong."""

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import ARP, Ether

from tests.tap import capture

US, THEM = "02:00:00:00:00:02", "02:00:00:00:00:01"
OURS = Ether(src=US, dst=THEM) / IP(src="10.77.0.2", dst="10.77.0.1", id=7, flags=0)
THEIRS = Ether(src=THEM, dst=US) / IP(src="10.77.0.1", dst="10.77.0.2")


def frame(packet):
    """Return the packet's bytes, padded as a driver must."""
    return bytes(packet).ljust(60, b"\0")


def segment(base, sport, dport, seq, ack, n=0, window=1000, flags="A"):
    tcp = TCP(sport=sport, dport=dport, seq=seq, ack=ack, window=window, flags=flags)
    return frame(base / tcp / (b"x" * n))


GOOD = [
    frame(OURS / ICMP(type=0, id=1, seq=1) / b"abc"),
    frame(OURS / UDP(sport=7, dport=9) / b""),
    frame(OURS / UDP(sport=7, dport=9) / bytes(100)),
    frame(OURS / TCP(sport=7, dport=9, options=[("MSS", 1460)])),
    frame(Ether(src=US, dst=THEM) / ARP(hwsrc=US, psrc="10.77.0.2", pdst="10.77.0.1")),
    frame(OURS / ICMP(type=3, code=3) / IP(src="10.77.0.1", dst="10.77.0.2") / UDP(dport=5)),
]


@pytest.mark.parametrize("raw", GOOD)
def test_good_packet_passes(raw):
    capture.judge([raw], US)


@pytest.mark.parametrize("raw", GOOD[:4])
@pytest.mark.parametrize("at", [14, 16, 17, 24, 25, 36, 37, 38, 39, 46, 50, 51, 59])
def test_damaged_packet_found(raw, at):
    """IHL, total length, IP checksum, and bytes that the transport's checksum or the padding
    rule covers."""
    bad = bytearray(raw)
    bad[at] ^= 0x21
    with pytest.raises(Exception):  # noqa: B017  whatever scapy thinks of it
        capture.judge([bytes(bad)], US)


def test_short_and_long_frames_found():
    for raw in (bytes(OURS / UDP(sport=7, dport=9)), frame(OURS / UDP() / bytes(1473))):
        with pytest.raises(AssertionError, match="length"):
            capture.judge([raw], US)


def test_segment_longer_than_mss_found():
    syn = THEIRS / TCP(sport=99, dport=7, seq=499, flags="S", window=9999)
    with_mss = syn.copy()
    with_mss[TCP].options = [("MSS", 88)]
    for opening, mss in ((syn, 536), (with_mss, 88)):
        ack = segment(THEIRS, 99, 7, 500, 1000, window=9999)
        capture.judge([frame(opening), ack, segment(OURS, 7, 99, 1000, 500, n=mss)], US)
        with pytest.raises(AssertionError, match="MSS is %d" % mss):
            capture.judge([frame(opening), ack, segment(OURS, 7, 99, 1000, 500, n=mss + 1)], US)


def test_data_beyond_the_window_found():
    ack = segment(THEIRS, 99, 7, 500, 1000, window=100)
    fits = segment(OURS, 7, 99, 1000, 500, n=100)
    probe = segment(OURS, 7, 99, 1100, 500, n=1)
    beyond = segment(OURS, 7, 99, 1000, 500, n=102)
    padded = segment(OURS, 7, 99, 1100, 500)  # the padding of a short frame is no data
    capture.judge([ack, fits, padded, probe], US)
    with pytest.raises(AssertionError, match="2 bytes beyond"):
        capture.judge([ack, beyond], US)


def test_window_taken_back_found():
    first = segment(OURS, 7, 99, 1000, 0xFFFFFF00, window=1000)
    same = segment(OURS, 7, 99, 1000, 0x00000010, window=1000 - 0x110)
    with_less = segment(OURS, 7, 99, 1000, 0x00000010, window=999 - 0x110)
    capture.judge([first, same], US)
    with pytest.raises(AssertionError, match="moved back by 1"):
        capture.judge([first, with_less], US)
