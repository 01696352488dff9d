"""TCP (RFC 9293), with lwIP's raw API. Ten lines that serve:

    def accepted(arg, pcb, err):
        tcp.recv(pcb, echo)
        return OK

    def echo(arg, pcb, p, err):
        if p is None:                       # the peer has closed
            return tcp.close(pcb)
        n = p.tot_len
        err = tcp.write_pbuf(pcb, p)        # zero-copy: the received pbuf is what is sent
        if err == OK:
            tcp.recved(pcb, n)
        return err                          # an error: keep it, and offer it again later

    pcb = tcp.new(net)
    tcp.bind(pcb, None, 7)
    tcp.accept(tcp.listen(pcb), accepted)

Where to read on:
    input.py    a segment arrives: RFC 9293 section 3.10.7, step by step
    opening.py  it belongs to no connection: a SYN, or a SYN cookie's ACK (cookie.py)
    ack.py      what its acknowledgment brings      text.py    its data, put in order, and FIN
    write.py    what the application queues         output.py  how it is sent
    rexmit.py   all timers    keep.py  keep-alive   recovery.py  losses, found and repaired
    cc.py       congestion control: newreno.py, cubic.py        ecn.py  marks instead of losses
    options.py  window scaling, timestamps          seg.py     the segment being processed
    state.py    the state machine                   pcb.py     what is known of a connection
    header.py   the wire format, control segments   isn.py     initial sequence numbers
    api.py      this module's functions             info.py    the connection's numbers
"""

# From the bottom up: a module that imports one that imports the next needs a deep C stack.
from . import count, sack

# isort: split
from . import frto, header, pcb, rack, state
from .pcb import NREGS

# isort: split
from . import ack, cookie
from .api import (
    abort,
    accept,
    arg,
    bind,
    close,
    congestion,
    connect,
    err,
    init,
    listen,
    nagle_disable,
    nagle_enable,
    new,
    pcbs,
    poll,
    quickack,
    recv,
    recved,
    sent,
    shutdown,
    sndbuf,
    state_name,
    urgent,
)
from .info import INFO, info
from .keep import keepalive
from .output import output
from .pcb import local_port, remote_port
from .state import NAMES as STATES
from .write import COPY, MORE, URGENT, write, write_pbuf
