"""The program at one end of a connection. It allocates nothing."""

from stack import pbuf, tcp
from stack.err import ERR_ABRT, ERR_MEM, OK
from stack.kernel import same

PERIOD = 4093
PATTERN = bytes([(i * 7 + (i >> 8) * 31) & 0xFF for i in range(PERIOD)]) * 2


class End:
    """The program at one end of a connection: it sends `total` bytes of PATTERN and a FIN, checks
    that what comes in is PATTERN, and closes when both directions have ended.

    chunk, flags    of each tcp.write()
    last            send the FIN only after the peer's
    refuse          how often received data is refused
    echo            send back what comes in, in the same pbufs
    hold            what is received is not declared consumed, until release()
    reset_at        abort after so many bytes received, inside the callback
    expect          the error that the connection is to end with
    """

    def __init__(
        self,
        total=0,
        chunk=1460,
        flags=0,
        last=False,
        refuse=0,
        hold=False,
        echo=False,
        reset_at=-1,
        expect=OK,
    ):
        self.total = total
        self.chunk = chunk
        self.flags = flags
        self.last = last or echo
        self.echo = echo
        self.refusals = refuse
        self.holds = hold
        self.reset_at = reset_at
        self.expect = expect
        self.clear()

    def clear(self):
        """Be ready for a connection."""
        self.pcb = None
        self.queued = self.acked = self.got = self.held = self.polls = self.urgent = 0
        self.refuse = self.refusals
        self.hold = self.holds
        self.stay = False  # keep our side open
        self.open = self.fin = self.eof = self.done = False
        self.good = True
        self.err = OK


def attach(end, pcb):
    """Make `end` the program of connection `pcb`."""
    end.pcb = pcb
    end.tcp = api = pcb.net.tcp_api
    api.arg(pcb, end)
    api.recv(pcb, _received)
    api.sent(pcb, _sent)
    api.err(pcb, _failed)
    if api is tcp:
        api.urgent(pcb, _urgent)
    api.poll(pcb, _poll, 1)


def push(end):
    """Queue what there is room for."""
    pcb = end.pcb
    api = end.tcp
    while end.queued < end.total:
        n = min(end.chunk, end.total - end.queued, api.sndbuf(pcb))
        if n == 0 or api.write(pcb, PATTERN, end.queued % PERIOD, n, end.flags) != OK:
            return
        end.queued += n
    if end.stay or (end.last and not end.eof):
        return
    if not end.fin and api.shutdown(pcb, False, True) == OK:
        end.fin = True


def release(end):
    """Declare consumed what `hold` has kept."""
    n = end.held
    end.held = 0
    end.hold = False
    if n:
        end.tcp.recved(end.pcb, n)


def connected(end, pcb, err):
    end.open = True
    push(end)
    return OK


def _received(end, pcb, p, err):
    if p is None:
        end.eof = True
        push(end)
        return _close(end)
    if end.refuse:
        end.refuse -= 1
        return ERR_MEM
    if 0 <= end.reset_at <= end.got:
        pbuf.free(p)
        end.tcp.abort(pcb)
        return ERR_ABRT
    n = p.tot_len
    if end.echo:
        err = end.tcp.write_pbuf(pcb, p, tcp.MORE)
        if err == OK:
            end.total += n
            end.queued += n
            end.tcp.recved(pcb, n)
        return err
    q = p
    while q is not None:
        if not same(q.buf, q.off, PATTERN, end.got % PERIOD, q.len):
            end.good = False
        end.got += q.len
        q = q.next
    if end.hold:
        end.held += n
    else:
        end.tcp.recved(pcb, n)
    pbuf.free(p)
    return OK


def _sent(end, pcb, n):
    end.acked += n
    push(end)
    return _close(end)


def _poll(end, pcb):
    end.polls += 1
    if not end.fin and pcb.state != tcp.state.SYN_SENT:
        push(end)
    return _close(end)


def _urgent(end, pcb, n):
    end.urgent += 1


def _failed(end, err):
    end.err = err
    end.pcb = None
    end.done = True


def _close(end):
    if end.eof and end.fin and end.acked == end.total and not end.done and not end.held:
        if end.tcp.close(end.pcb) == OK:
            end.done = True
            end.pcb = None
    return OK
