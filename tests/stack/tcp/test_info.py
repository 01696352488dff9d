"""stack/tcp/info.py: the connection's numbers. Runs on every interpreter."""

from array import array

from stack import tcp
from stack.err import OK
from tests.packets import b32
from tests.support import ISS

from .conn import FIN, Conn

MASK = 0xFFFFFFFF


def read(c):
    """Return the numbers by name."""
    out = array("I", [0xDEADBEEF] * (len(tcp.INFO) + 1))
    tcp.info(c.pcb, out)
    assert out[len(tcp.INFO)] == 0xDEADBEEF
    return dict(zip(tcp.INFO, out))


def test_names():
    assert len(set(tcp.INFO)) == len(tcp.INFO) == 18


def test_a_transfer():
    c = Conn(rtt=80)
    now = read(c)
    assert tcp.STATES[now["state"]] == "ESTABLISHED"
    assert now["srtt"] == 80 and now["rttvar"] == 40 and now["rto"] == 300 and now["mss"] == 1000
    assert now["snd_wnd"] == 60000 and now["rcv_wnd"] == c.net.cfg.TCP_WND
    assert now["cwnd"] == 10 * 1000 and now["ssthresh"] == c.pcb.ssthresh
    for name in "unacked quiet acked received rexmits dup_acks sacked reordered ce".split():
        assert now[name] == 0, name
    c.push(3000)
    c.lab.wait(70)
    now = read(c)
    assert now["unacked"] == 3000 and now["quiet"] == 70 and now["acked"] == 0
    c.tell(1000)
    c.text(0, 600)
    now = read(c)
    assert now["unacked"] == 2000 and now["acked"] == 1000 and now["received"] == 600
    assert now["quiet"] == 0
    c.consume = False
    c.text(600, 700)
    assert read(c)["rcv_wnd"] == c.net.cfg.TCP_WND - 100
    c.end()


def test_losses():
    c = Conn(rtt=80)
    c.push(5000)
    for _ in range(3):
        c.send()
    now = read(c)
    assert now["dup_acks"] == 3 and now["rexmits"] == 1
    c.lab.wait(300)
    assert read(c)["rexmits"] > 1
    c.tell(5000)
    assert read(c)["acked"] == 5000
    c.end()


def test_sack_and_reordering():
    c = Conn(rtt=80, sack=True)
    c.push(5000)
    for first, end in ((1000, 2000), (1000, 3000)):
        c.send(opts=b"\x01\x01\x05\x0a" + b32(ISS + 1 + first & MASK) + b32(ISS + 1 + end & MASK))
    now = read(c)
    assert now["sacked"] == 2 and now["reordered"] == 0
    c.tell(3000)  # the first has come after the third, and was not sent again
    now = read(c)
    assert now["reordered"] == 1 and now["acked"] == 3000
    c.end()


def test_marks():
    c = Conn(ecn=True)
    c.text(0, 100, tos=3)
    c.text(100, 200, tos=3)
    assert read(c)["ce"] == 2
    c.end()


def test_fin_is_no_byte():
    c = Conn()
    c.text(0, 100, FIN)
    c.push(50)
    assert tcp.shutdown(c.pcb, False, True) == OK
    now = read(c)
    assert now["acked"] == 0 and now["received"] == 100
    c.tell(50)
    assert read(c)["acked"] == 50
    c.end()


def test_fin_acknowledged():
    c = Conn()
    c.push(50)
    assert tcp.shutdown(c.pcb, False, True) == OK
    c.tell(51)
    assert tcp.state_name(c.pcb) == "FIN_WAIT_2" and read(c)["acked"] == 50
    c.end()


def test_before_the_connection_is_open():
    c = Conn()
    pcb = tcp.new(c.net)
    tcp.connect(pcb, b"\x0a\x00\x00\x03", 80, None)
    out = array("I", [7] * len(tcp.INFO))
    tcp.info(pcb, out)
    now = dict(zip(tcp.INFO, out))
    assert tcp.STATES[now["state"]] == "SYN_SENT" and now["acked"] == now["received"] == 0
    c.lab.frames.clear()
    c.end()


def test_a_new_connection_counts_anew():
    c = Conn()
    c.push(1000)
    c.lab.wait(1000)
    assert read(c)["rexmits"]
    pcb = c.pcb
    tcp.abort(pcb)
    pcb.reset()
    assert read(c)["rexmits"] == 0
    c.end()
