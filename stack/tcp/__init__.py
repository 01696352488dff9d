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
    rexmit.py   all timers                          recovery.py  losses, found and repaired
    sack.py     selective acknowledgments           sack_recovery.py  and with them
    rack.py     losses found by time, tail probes   scoreboard.py  what is marked as lost
    frto.py     timeouts that were spurious
    fastpath.py what is usual, taken by kernels     fastopen.py  data in the SYN
    keep.py     keep-alive                          uto.py     the user timeout
    timewait.py who is in TIME_WAIT
    cc.py       congestion control: newreno.py, cubic.py        ecn.py  marks instead of losses
    blind.py    attacks by guessing, and ICMP errors
    mtu.py      the path's MTU, told by ICMP or found out
    options.py  window scaling, timestamps          seg.py     the segment being processed
    state.py    the state machine                   pcb.py     what is known of a connection
    header.py   the wire format, control segments   isn.py     initial sequence numbers
    api.py      this module's functions             info.py    the connection's numbers
"""

# From the bottom up: a module that imports one that imports the next needs a deep C stack.
# isort: off
from ..kernel import tcp as _kernels
from . import count, seg, newreno, cubic, cc
from . import sack, options, header, pcb, state
from . import scoreboard, rack, frto, recovery, sack_recovery, ecn, isn, keep
from . import write as _write, output as _output  # the functions of these names come last
from . import text, rexmit, ack, cookie, opening, fastpath, input

# isort: on
from ..kernel.tcp import tcp_recved as recved
from ..kernel.tcp import tcp_sndbuf as sndbuf
from .api import (
    abort,
    accept,
    arg,
    bind,
    close,
    congestion,
    connect,
    err,
    fastopen,
    init,
    listen,
    nagle_disable,
    nagle_enable,
    new,
    pcbs,
    poll,
    quickack,
    recv,
    sent,
    shutdown,
    state_name,
    tos,
    ttl,
    urgent,
    user_timeout,
)
from .info import INFO, info
from .keep import keepalive
from .output import output
from .pcb import NREGS, SEG_REGS, local_port, remote_port
from .state import NAMES as STATES
from .write import COPY, MORE, URGENT, write, write_pbuf
