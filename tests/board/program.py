"""What the board under test runs, with the heap locked: nothing here allocates once run() is on.

TCP  7  echo     9  sink: says whether the bytes were those of DATA, again and again
    19  source: sends SIZE bytes of DATA, and closes
UDP 77  echo (one byte to port 7 makes some emulators look for Wake-on-LAN)
"""

import gc

import board
import micropython
from examples import tcp_echo, udp_echo

from hal.clock import ticks_ms
from stack import pbuf, tcp
from stack.err import OK
from stack.kernel import same, ticks_add, ticks_diff
from stack.timer import Timer
from tests.board.data import DATA, SIZE

_SETTLE_MS = 3000  # for the last acknowledgments
_CTRL_C = 3
_ANSWERS = (b"other bytes\n", b"the same\n")

net = None


class Stream:
    """A connection's place in DATA, one for each that may be open."""

    def __init__(self):
        self.at = self.left = 0
        self.good = True


_free = [Stream() for _ in range(4)]


def start(**where):
    """Set the stack up with its services; `where`: arguments of board.net()."""
    global net
    net = board.net(**where)
    tcp_echo.start(net)
    udp_echo.PORT = 77
    udp_echo.start(net)
    for port, accepted in ((9, sink_accepted), (19, source_accepted)):
        pcb = tcp.new(net)
        tcp.bind(pcb, None, port)
        tcp.accept(tcp.listen(pcb), accepted)


def run():
    """Serve until Ctrl-C, and print what became of the heap and the pools."""
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    net.timers.start(_started, 1)
    board.run(net, lock=True)
    micropython.kbd_intr(-1)  # who waits for the prompt presses Ctrl-C again
    grown = gc.mem_alloc() - before
    gc.enable()
    end = ticks_add(ticks_ms(), _SETTLE_MS)
    while not all(pools()) and ticks_diff(end, ticks_ms()) > 0:
        net.poll(ticks_ms())
    micropython.kbd_intr(_CTRL_C)
    print("END", grown, pools())


def _ready(arg):
    """It is served: from now on Ctrl-C ends that, and nothing else."""
    print("READY")


_started = Timer(_ready, None)


def pools():
    """Return whether each pool is full."""
    return [p.avail == p.size for p in (net.pool, net.ram, net.refs)]


def _take(pcb, received, left):
    s = _free.pop()
    s.at = 0
    s.left = left
    s.good = True
    tcp.arg(pcb, s)
    tcp.recv(pcb, received)
    tcp.err(pcb, failed)
    return s


def failed(s, err):
    """The stack has ended the connection."""
    _free.append(s)


def done(s, pcb):
    """Close it from this side too."""
    tcp.err(pcb, None)
    _free.append(s)
    return tcp.close(pcb)


def sink_accepted(arg, pcb, err):
    """Somebody will send DATA."""
    _take(pcb, sink_received, 0)
    return OK


def sink_received(s, pcb, p, err):
    """Compare; at the end answer."""
    if p is None:
        answer = _ANSWERS[s.good]
        tcp.write(pcb, answer, 0, len(answer))
        return done(s, pcb)
    tcp.recved(pcb, p.tot_len)
    q = p
    while q is not None:
        off = q.off
        left = q.len
        while left:
            n = min(left, len(DATA) - s.at)
            s.good = same(q.buf, off, DATA, s.at, n) and s.good
            s.at = (s.at + n) % len(DATA)
            off += n
            left -= n
        q = q.next
    pbuf.free(p)
    return OK


def source_accepted(arg, pcb, err):
    """Somebody wants DATA."""
    s = _take(pcb, source_received, SIZE)
    tcp.sent(pcb, fill)
    fill(s, pcb, 0)
    return OK


def source_received(s, pcb, p, err):
    """What the client says does not matter; when it has closed, so do we."""
    if p is None:
        return done(s, pcb)
    tcp.recved(pcb, p.tot_len)
    pbuf.free(p)
    return OK


def fill(s, pcb, n):
    """Queue what there is room for; close the sending side at the end."""
    while s.left:
        n = min(s.left, len(DATA) - s.at, tcp.sndbuf(pcb), 1460)
        if n == 0 or tcp.write(pcb, DATA, s.at, n) != OK:
            return OK
        s.at = (s.at + n) % len(DATA)
        s.left -= n
        if s.left == 0:
            tcp.shutdown(pcb, False, True)
    return OK
