"""IPv4, reassembly, options, tags and redirects under hypothesis: every truncation, every length
field, any set of fragments. Only on CPython."""

from hypothesis import given, settings
from hypothesis import strategies as st

from stack import loop, netif, vlan
from tests.fuzz.frames import repair
from tests.packets import FAR, GATEWAY, OTHER, US, b16, ether, fragments, icmp, ip4, udp
from tests.stack.test_ipv4 import PROTO, Taker
from tests.support import Driver, Lab, pools_full

DATA = bytes(i * 7 + (i >> 8) & 0xFF for i in range(2000))
AGE = 30_000
quiet = settings(derandomize=True, deadline=None, database=None, max_examples=150)


def router():
    """Return a Lab with all that there is: a second netif, a VLAN, loopback; it forwards."""
    lab = Lab(IP_FORWARD=True)
    for nif in (
        netif.add(lab.net, Driver(lab), "172.16.0.1", "255.255.255.0"),
        vlan.add(lab.net, lab.nif, 5, "192.168.5.1", "255.255.255.0"),
    ):
        netif.set_up(nif)
    loop.start(lab.net)
    lab.frames.clear()
    return lab


def end(lab):
    """After all timers nothing is held, and a ping is answered."""
    lab.wait(AGE + 20_000)
    assert lab.net.reass.held == 0
    lab.frames.clear()
    lab.put(ether(icmp(8, 0, b"\0\1\0\2", b"alive?")))
    assert any(f.body[9] == 1 and f.body[20] == 0 for f in lab.frames)
    pools_full(lab.net)


SAMPLES = (
    ip4(PROTO, DATA[:64]),
    ip4(PROTO, DATA[:64], dst=bytes((172, 16, 0, 9))),
    ip4(PROTO, DATA[:64], first=0x47, opts=b"\x94\x04\0\0\x07\x04\x04\0"),
    ip4(PROTO, DATA[:64], first=0x46, opts=b"\x83\x03\x04\0"),
    *fragments(ip4(PROTO, DATA[:64]), 16, 40),
    icmp(5, 1, OTHER, ip4(17, DATA[:8], US, FAR)[:28], src=GATEWAY),
    icmp(3, 4, b"\0\0\x02\x40", ip4(17, DATA[:8], US, FAR)[:28], src=GATEWAY),
    udp(9, 7, DATA[:20], dst=bytes((192, 168, 5, 1))),
)


def frames():
    for packet in SAMPLES:
        frame = ether(packet)
        yield frame
        yield frame[:12] + b"\x81\x00\x00\x05" + frame[12:]
        yield frame[:12] + b"\x81\x00\xe0\x00" + frame[12:]


def test_every_truncation():
    lab = router()
    for frame in frames():
        for n in range(len(frame) + 1):
            lab.put(frame[:n])
            lab.put(repair(frame[:n]))
    end(lab)


def test_every_length_field():
    """0, 1, n-1, n+1 and the most, of total length, header length, option and fragment offset."""
    lab = router()
    for packet in SAMPLES:
        n = len(packet)
        for value in (0, 1, 19, 20, n - 1, n, n + 1, 65535):
            lab.put(repair(ether(packet[:2] + b16(value) + packet[4:])))
            lab.put(repair(ether(packet[:6] + b16(value & 0xBFFF) + packet[8:])))
        for value in range(256):
            lab.put(repair(ether(bytes((value,)) + packet[1:])))
            if packet[0] > 0x45:
                lab.put(repair(ether(packet[:21] + bytes((value,)) + packet[22:])))
                lab.put(repair(ether(packet[:20] + bytes((value,)) + packet[21:])))
    end(lab)


@quiet
@given(st.data())
def test_any_fragments_in_any_order_are_the_datagram(data):
    n = data.draw(st.integers(16, 600))
    most = (n - 1) // 8
    cuts = data.draw(st.sets(st.integers(1, most), min_size=1, max_size=5))
    parts = fragments(ip4(PROTO, DATA[:n]), *[8 * x for x in sorted(cuts)])
    order = data.draw(st.permutations(range(len(parts))))
    again = data.draw(st.lists(st.integers(0, len(parts) - 1), max_size=4))
    lab = Lab()
    taker = Taker(lab)
    for k, i in enumerate(order):
        lab.put(ether(parts[i]))
        if k < len(again) and again[k] in order[: k + 1] and k < len(order) - 1:
            lab.put(ether(parts[again[k]]))
    assert taker.got == [DATA[:n]]
    end(lab)


class Model:
    """RFC 791 and 5722, as simple as can be: what of a datagram is here, and whether it is bad."""

    def __init__(self):
        self.parts = {}
        self.end = None
        self.bad = False

    def take(self, at, text, more):
        """Return the datagram, if this fragment makes it whole."""
        stop = at + len(text)
        if self.bad or (at in self.parts and len(self.parts[at]) == len(text)):
            return None
        for start, other in self.parts.items():
            self.bad |= (start < stop and at < start + len(other)) or (not more and start >= stop)
        self.bad |= self.end is not None and (stop > self.end or not more)
        if self.bad:
            return None
        self.parts[at] = text
        self.end = self.end if more else stop
        whole = b"".join(self.parts[start] for start in sorted(self.parts))
        return whole if len(whole) == self.end else None


PIECE = st.tuples(st.integers(0, 6), st.integers(0, 7), st.integers(0, 40), st.booleans())


@settings(quiet, max_examples=600)
@given(st.lists(PIECE, max_size=14))
def test_fragments_of_two_that_contradict_each_other(pieces):
    """One of them lies; each byte tells whose it is."""
    lab = Lab(IP_REASS_MAX=4, IP_REASS_PBUFS=14)
    taker = Taker(lab)
    models = [Model(), Model()]
    for at, eighths, odd, more in pieces:
        ident = odd & 1
        n = 8 * eighths + (0 if more else odd >> 3)
        text = bytes(b ^ odd for b in DATA[8 * at : 8 * at + n])
        packet = ip4(PROTO, text, flags=at | (0x2000 if more else 0))
        lab.put(repair(ether(packet[:4] + b16(ident) + packet[6:])))
        expect = text if not at and not more else None
        if expect is None and n:
            expect = models[ident].take(8 * at, text, more)
            if expect is not None:
                models[ident] = Model()
        assert taker.got == ([] if expect is None else [expect])
        taker.got.clear()
    end(lab)


@quiet
@given(st.lists(st.binary(min_size=1, max_size=40), max_size=8))
def test_any_options(options):
    lab = router()
    taker = Taker(lab)
    for opts in options:
        opts += bytes(-len(opts) % 4)
        lab.put(ether(ip4(PROTO, b"data", first=0x45 + len(opts) // 4, opts=opts)))
    counted = lab.count("ipopt", "bad") + lab.count("ipopt", "source_route")
    assert len(taker.got) + counted == len(options) and set(taker.got) <= {b"data"}
    end(lab)


@quiet
@given(
    st.sampled_from(list(frames())), st.lists(st.tuples(st.integers(12, 90), st.integers(0, 255)))
)
def test_any_change(frame, changes):
    lab = router()
    for at, value in changes:
        if at < len(frame):
            frame = frame[:at] + bytes((value,)) + frame[at + 1 :]
            lab.put(frame)
            lab.put(repair(frame))
    end(lab)
