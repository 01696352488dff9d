"""Data that the application refuses: offered again when an ACK makes room, piece by piece. Runs
on every interpreter."""

from stack import pbuf, tcp
from stack.err import ERR_MEM, OK
from tests.stack.tcp.conn import FIN, THEIRS, Conn
from tests.support import content


def echoing(**limits):
    """Return a connection that echoes without copying; c.got and c.sizes are what it took."""
    c = Conn(**limits)
    c.sizes = []

    def echo(arg, pcb, p, err):
        if p is None:
            return tcp.close(pcb)
        data = content(p)
        err = tcp.write_pbuf(pcb, p)
        if err == OK:
            c.got += data
            c.sizes.append(len(data))
            tcp.recved(pcb, len(data))
        return err

    tcp.recv(c.pcb, echo)
    return c


def test_an_ack_that_makes_room_offers_again_at_once():
    c = echoing(TCP_SND_QUEUELEN=2)
    for first in (0, 1000, 2000):
        c.text(first, first + 1000)
    assert c.sizes == [1000, 1000]  # the queue is full
    c.lab.frames.clear()
    c.tell(1000)
    assert c.sizes == [1000, 1000, 1000]  # in the same moment: no timer has run
    assert bytes(c.got) == THEIRS[:3000]
    c.lab.frames.clear()
    c.tell(3000)
    c.end()


def test_pieces_are_offered_as_they_came():
    """Three segments fill the queue of one: each goes as soon as the one before is acknowledged.
    As one chain they would never fit."""
    c = echoing(TCP_SND_QUEUELEN=1)
    for first in (0, 900, 1800, 2700):
        c.text(first, first + 900)
    for end in (900, 1800, 2700, 3600):
        c.lab.frames.clear()
        c.tell(end)
    c.lab.frames.clear()
    assert c.sizes == [900] * 4 and bytes(c.got) == THEIRS[:3600]
    c.end()


def test_the_pieces_behind_a_refused_one_keep_their_order():
    c = Conn()
    takes = []

    def recv(arg, pcb, p, err):
        if not takes or takes.pop(0) == 0:
            return ERR_MEM
        c.got += content(p)
        tcp.recved(pcb, p.tot_len)
        pbuf.free(p)
        return OK

    tcp.recv(c.pcb, recv)
    for first in (0, 100, 200):
        c.text(first, first + 100)
    takes.append(1)
    c.lab.wait(150)
    assert bytes(c.got) == THEIRS[:100]
    c.text(300, 400)
    takes.extend((1, 1, 0, 1))
    c.lab.wait(350)
    assert bytes(c.got) == THEIRS[:400]
    c.end()


def test_a_reset_between_pieces_frees_the_rest():
    c = Conn()
    c.refuse = True
    for first in (0, 100, 200):
        c.text(first, first + 100)

    def recv(arg, pcb, p, err):
        pbuf.free(p)
        tcp.abort(pcb)
        return -13

    tcp.recv(c.pcb, recv)
    c.lab.wait(200)
    assert not tcp.pcbs(c.net) and c.errors == [-13]
    c.lab.frames.clear()
    c.lab.end()


def test_shutdown_between_pieces_drops_the_rest_and_takes_the_fin():
    c = Conn()
    c.refuse = True
    c.text(0, 100)
    c.text(100, 200, FIN)
    ends = []

    def recv(arg, pcb, p, err):
        if p is None:
            ends.append(tcp.state_name(pcb))
            return OK
        pbuf.free(p)
        return tcp.shutdown(pcb, True, False)

    tcp.recv(c.pcb, recv)
    c.lab.wait(200)
    assert ends == ["CLOSE_WAIT"]
    c.end()


def test_the_fin_comes_when_the_last_piece_is_taken_on_an_ack():
    c = echoing(TCP_SND_QUEUELEN=1)
    c.text(0, 900)
    c.text(900, 1800, FIN)
    assert tcp.state_name(c.pcb) == "ESTABLISHED"
    c.tell(900)
    assert bytes(c.got) == THEIRS[:1800]
    assert tcp.state_name(c.pcb) == "LAST_ACK"  # the application has closed, too
    c.lab.frames.clear()
    c.end()
