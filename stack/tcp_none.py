"""A stack without TCP (NUM_TCP_PCB = 0): segments are of no protocol that is known here, and there
is never a pcb. Who takes net.tcp_api is told so by new(), as if all were in use.
"""


class Tcp:
    """What is empty then: net.tcp."""

    pcbs = listeners = ()


class state:
    """The states that a connection may have."""

    NAMES = ()


def init(net):
    """Let the stack have no TCP. Allocates; for set-up."""
    net.tcp = Tcp()


def new(net):
    """Return None: there is no pcb."""
    return None


def pcbs(net):
    """Return the pcbs in use: none."""
    return ()
