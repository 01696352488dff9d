"""stack/tcp/write.py: pbufs that are sent as they are, such as those received. Runs on every
interpreter."""

from stack import pbuf, tcp
from stack.err import ERR_CONN, ERR_MEM, OK

from .conn import ACK, OURS, Conn
from .test_output import give_back, take_all
from .test_write import finish, state


def test_echo_of_what_was_received():
    c = Conn()

    def echo(arg, pcb, p, err):
        return tcp.write_pbuf(pcb, p)

    tcp.recv(c.pcb, echo)
    c.lab.put(c.frame(OURS[:700], ACK))
    assert c.net.pool.avail == c.net.pool.size - 1
    (seg,) = c.out()
    assert (seg.seq, seg.end, seg.ack) == (0, 700, 700)
    c.seq = 700
    c.tell(700)
    assert c.net.pool.avail == c.net.pool.size and c.told == [700]
    c.end()


def chain(c, *sizes):
    """Return a chain of pbufs over the next bytes of OURS."""
    head = None
    off = c.written
    for n in sizes:
        p = pbuf.alloc(c.net.pool, 0, n)
        pbuf.take(p, OURS, off, n)
        off += n
        if head is None:
            head = p
        else:
            pbuf.cat(head, p)
    return head


def test_write_pbuf_of_chains():
    for sizes in ((10,), (10, 20, 30), (0, 5), (5, 0, 5, 0), (999, 2), (1400, 1400), (1000, 1)):
        c = Conn()
        assert c.write(7) == OK  # so that it begins within a segment
        p = chain(c, *sizes)
        assert tcp.write_pbuf(c.pcb, p) == OK
        c.written += sum(sizes)
        tcp.output(c.pcb)
        finish(c)


def test_write_pbuf_of_nothing():
    c = Conn()
    assert tcp.write_pbuf(c.pcb, chain(c, 0)) == OK
    tcp.output(c.pcb)
    assert c.out() == []
    c.end()


def test_write_pbuf_that_fails_leaves_the_chain_to_its_owner():
    for name in ("ram", "refs"):
        for leave in range(4):
            c = Conn()
            p = chain(c, 10, 20, 30, 1400)
            held = take_all(getattr(c.net, name), leave)
            before = state(c)
            if tcp.write_pbuf(c.pcb, p) == ERR_MEM:
                assert state(c) == before and p.ref == 1 and pbuf.clen(p) == 4
                give_back(held)
                assert tcp.write_pbuf(c.pcb, p) == OK
            give_back(held)
            c.written = 1460
            finish(c)
    c = Conn()
    assert tcp.shutdown(c.pcb, False, True) == OK
    p = chain(c, 10)
    assert tcp.write_pbuf(c.pcb, p) == ERR_CONN
    pbuf.free(p)
    c.end()
