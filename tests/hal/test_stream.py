"""hal/stream.py. Runs on every interpreter; over real sockets where there are any."""

try:
    import socket
except ImportError:
    socket = None

from hal.stream import Stream
from stack import pbuf
from stack.err import ERR_IF, ERR_MEM, ERR_VAL, OK
from tests.portable import Skip

MAC = b"\x02\x00\x00\x00\x00\x07"


class Pipe:
    """A non-blocking file. `chunks` is what the next reads give: bytes, None to make the reader
    wait, b"" for the end. `room` is what the next writes take, together."""

    def __init__(self):
        self.chunks = []
        self.written = b""
        self.room = 1 << 20
        self.gone = False

    def setblocking(self, on):
        assert not on

    def readinto(self, buf, n=None):
        if self.gone:
            raise OSError(104)
        if not self.chunks or self.chunks[0] is None:
            self.chunks[:1] = []
            return None
        n = len(buf) if n is None else n
        chunk = self.chunks[0]
        buf[: min(n, len(chunk))] = chunk[:n]
        if len(chunk) > n:
            self.chunks[0] = chunk[n:]
        else:
            self.chunks.pop(0)
        return min(n, len(chunk))

    def write(self, buf, off=0, n=None):
        if self.gone:
            raise OSError(32)
        n = min(len(buf) - off if n is None else n, self.room)
        self.written += bytes(buf[off : off + n])
        self.room -= n
        return n or None


class Net:
    """A driver on a Pipe, with a pool."""

    def __init__(self, bufsize=1536):
        self.pipe = Pipe()
        self.driver = Stream(self.pipe, MAC)
        self.pool = pbuf.Pool(3, bufsize, pbuf.POOL)
        self.ram = pbuf.Pool(3, 1600, pbuf.RAM)
        self.driver.start(self.pool)

    def feed(self, *chunks):
        self.pipe.chunks += list(chunks)

    def rx(self):
        p = self.driver.rx()
        if p is None:
            return None
        assert p.off == 2 and p.len == p.tot_len and p.next is None
        data = bytes(p.buf[2 : 2 + p.len])
        pbuf.free(p)
        return data

    def tx(self, *parts):
        head = None
        for part in parts:
            p = pbuf.alloc(self.ram, 1, len(part))
            p.buf[1 : 1 + len(part)] = part
            if head is None:
                head = p
            else:
                pbuf.cat(head, p)
        err = self.driver.tx(head)
        pbuf.free(head)
        return err

    def count(self, name):
        names, counters = self.driver.stats
        return counters[names.index(name)]

    def end(self):
        assert self.pool.avail == 3 and self.ram.avail == 3


def frame(n, first=0):
    return bytes((first + k) & 0xFF for k in range(n))


def framed(data):
    return bytes((0, 0, len(data) >> 8, len(data) & 0xFF)) + data


def test_frames_arrive_one_by_one():
    net = Net()
    assert net.driver.mac == MAC and net.rx() is None
    net.feed(framed(frame(60)) + framed(frame(1514, 7)) + framed(frame(14, 9)))
    assert net.rx() == frame(60)
    assert net.rx() == frame(1514, 7)
    assert net.rx() == frame(14, 9)
    assert net.rx() is None
    assert net.count("rx") == 3
    net.end()


def test_frame_in_any_parts_arrives_whole():
    data = framed(frame(64, 3)) + framed(frame(61, 5))
    for cut in range(1, len(data)):
        net = Net()
        net.feed(data[:cut], None, data[cut:])
        got = [net.rx() for _ in range(5)]
        assert [x for x in got if x] == [frame(64, 3), frame(61, 5)]
        net.end()


def test_frame_in_single_bytes_arrives_whole():
    net = Net()
    for k in framed(frame(99)):
        net.feed(bytes((k,)), None)
    got = [net.rx() for _ in range(110)]
    assert [x for x in got if x] == [frame(99)]
    net.end()


def test_empty_pool_drops_the_frame_and_counts():
    net = Net()
    held = [pbuf.alloc(net.pool, 0, 1) for _ in range(3)]
    net.feed(framed(frame(1500)) + framed(frame(70)))
    assert net.rx() is None
    for p in held:
        pbuf.free(p)
    assert net.rx() == frame(70)
    assert net.count("rx_nobuf") == 1 and net.count("rx") == 1
    net.end()


def test_long_and_short_frames_are_dropped_and_counted():
    net = Net(bufsize=128)
    net.feed(framed(frame(127)), framed(frame(5000)), framed(frame(13)), framed(frame(126)))
    got = [net.rx() for _ in range(8)]
    assert [x for x in got if x] == [frame(126)]
    assert net.count("rx_long") == 2 and net.count("rx_error") == 1
    assert net.driver.link()
    net.end()


def test_nonsense_length_ends_the_link():
    for head in (b"\x00\x01\x00\x00", b"\x80\x00\x00\x40", b"\x00\x00\x00\x00"):
        net = Net()
        net.feed(head + frame(64))
        assert net.rx() is None and net.rx() is None
        assert not net.driver.link() and net.count("rx_error") == 1
        net.end()


def test_end_of_the_stream_ends_the_link():
    for data in (b"", b"\x00\x00", framed(frame(60))[:30]):
        net = Net()
        net.feed(data, b"") if data else net.feed(b"")
        assert net.rx() is None and net.rx() is None
        assert not net.driver.link()
        assert net.tx(frame(60)) in (OK, ERR_IF)
        net.end()


def test_error_of_the_stream_ends_the_link():
    net = Net()
    net.feed(framed(frame(60))[:30])
    assert net.rx() is None
    net.pipe.gone = True
    assert net.rx() is None
    assert not net.driver.link() and net.tx(frame(60)) == ERR_IF
    assert net.count("tx_error") == 1
    net.end()


def test_chain_is_sent_as_one_frame():
    net = Net()
    assert net.tx(frame(14), frame(3), frame(60)) == OK
    assert net.pipe.written == framed(frame(14) + frame(3) + frame(60))
    assert net.count("tx") == 1
    net.end()


def test_short_frame_is_padded_with_zeros():
    net = Net()
    net.tx(b"\xff" * 60)
    net.pipe.written = b""
    net.tx(b"\xff" * 14)
    assert net.pipe.written == framed(b"\xff" * 14 + bytes(46))
    net.end()


def test_bad_lengths_are_refused():
    net = Net()
    assert net.tx(frame(13)) == ERR_VAL and net.tx(frame(1514), frame(1)) == ERR_VAL
    assert net.count("tx_error") == 2 and net.pipe.written == b""
    net.end()


def test_slow_reader_gets_the_rest_later():
    net = Net()
    net.pipe.room = 30
    assert net.tx(frame(100, 1)) == OK
    assert net.tx(frame(100, 2)) == ERR_MEM
    net.pipe.room = 100
    assert net.tx(frame(100, 3)) == OK
    net.pipe.room = 1000
    assert net.rx() is None  # which also sends the rest
    assert net.pipe.written == framed(frame(100, 1)) + framed(frame(100, 3))
    assert net.count("tx") == 2 and net.count("tx_full") == 1
    net.end()


def test_reader_that_takes_nothing_loses_the_frame_whole():
    net = Net()
    net.pipe.room = 0
    assert net.tx(frame(100, 1)) == ERR_MEM
    net.pipe.room = 1000
    assert net.tx(frame(100, 2)) == OK
    assert net.pipe.written == framed(frame(100, 2))
    net.end()


def test_over_tcp():
    if socket is None:
        raise Skip("this interpreter has no sockets")
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    port = 0
    for port in range(42117, 42217):
        try:
            listener.bind(socket.getaddrinfo("127.0.0.1", port)[0][-1])
            break
        except OSError:
            pass
    listener.listen(1)
    from hal.stream import connect

    nets = [Net(), Net()]
    nets[0].driver = Stream(connect("127.0.0.1", port), MAC)
    nets[1].driver = Stream(listener.accept()[0])
    listener.close()
    for net in nets:
        net.driver.start(net.pool)
    for n in (60, 1514, 77):
        assert nets[0].tx(frame(n, n)) == OK
        assert nets[1].tx(frame(n, n + 1)) == OK
    for i, k in ((1, 0), (0, 1)):
        got = []
        for _ in range(100000):
            data = nets[i].rx()
            if data:
                got.append(data)
            if len(got) == 3:
                break
        assert got == [frame(n, n + k) for n in (60, 1514, 77)]
        nets[i].end()
    for net in nets:
        net.driver.stream.close()
