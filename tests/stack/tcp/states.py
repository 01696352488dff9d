"""Connections in each synchronized state, for tests. Runs on every interpreter.

lab, app, peer = reach("CLOSING")

The peer opened the connection, no data has flowed, and the application has not called close() but
only shutdown(): so it hears of everything. `peer.seq` and `peer.ack` are RCV.NXT and SND.NXT.
"""

from stack import tcp
from stack.err import OK
from tests.peer import ACK, FIN, WND, served

NAMES = (
    "ESTABLISHED FIN_WAIT_1 FIN_WAIT_2 CLOSE_WAIT CLOSING LAST_ACK TIME_WAIT"  # no SYN_RCVD
).split()


def reach(state, wnd=WND, **limits):
    """Return (lab, app, peer) with the connection in `state`."""
    lab, app, peer = served(wnd, **limits)
    if state in ("CLOSE_WAIT", "LAST_ACK"):
        peer.send(FIN | ACK)
        peer.expect(ACK, seq=1, ack=2)
    if state in ("FIN_WAIT_1", "FIN_WAIT_2", "CLOSING", "LAST_ACK", "TIME_WAIT"):
        assert tcp.shutdown(app.pcb, False, True) == OK
        peer.expect(FIN | ACK, seq=1)
    if state in ("FIN_WAIT_2", "TIME_WAIT"):
        peer.send(ACK)
    if state in ("CLOSING", "TIME_WAIT"):
        peer.send(FIN | ACK, ack=1 if state == "CLOSING" else 2)
        peer.expect(ACK, seq=2, ack=2)
    peer.silent()
    assert is_in(lab, state)
    app.took()
    return lab, app, peer


def is_in(lab, state):
    """Is the only connection in `state`?"""
    return [tcp.state_name(pcb) for pcb in tcp.pcbs(lab.net)] == [state]
