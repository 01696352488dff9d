"""The tiny TCP, in the spirit of uIP: for a microcontroller with a few KB of RAM to spare.

It is all of RFC 9293's state machine, with the raw API of ../tcp (same names, same callbacks), but
of each connection only one segment is under way, nothing is queued, and the only option is MSS:

    sending     write() remembers where the application's bytes are (`data`, OFF, LEFT); segments
                are cut from there, one at a time, and again if one is lost: "asking the
                application again" without asking. A second write() waits (ERR_MEM) until `sent`
    receiving   what is not next in order is dropped, the peer sends it again; so is what the
                application refuses (`recv` returns an error): not for long, or the peer gives up
    time        one timer for all connections: each has one deadline, and one for its poll

    pcb.py      what is known of a connection      state.py    the state machine, and its timer
    input.py    a segment arrives                  output.py   segments are sent
    text.py     its data, and FIN                  api.py      this module's functions

`Stack(config_tiny)` has it, or any configuration with TCP_TINY. An application that is to work
with either finds its TCP in `net.tcp_api`. IPv4 only.
"""

# From the bottom up: a module that imports one that imports the next needs a deep C stack.
# isort: off
from . import count, pcb, state
from . import output as _output  # the function of this name comes last
from . import text, input

# isort: on
from .api import (
    COPY,
    MORE,
    abort,
    accept,
    arg,
    bind,
    close,
    connect,
    err,
    init,
    listen,
    nagle_disable,
    nagle_enable,
    new,
    pcbs,
    poll,
    recv,
    recved,
    sent,
    shutdown,
    sndbuf,
    state_name,
    write,
    write_pbuf,
)
from .output import output
from .pcb import local_port, remote_port
