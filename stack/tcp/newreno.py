"""The window of Reno and NewReno (RFC 5681): one segment more a round trip, half on a loss.

An algorithm of cc.py. NewReno's recovery (RFC 6582) is in recovery.py.
"""

start = None  # nothing to remember but pcb.bytes_acked


def gain(pcb, acked):
    """A segment for each cwnd of bytes (RFC 3465 section 2.1); without TCP_ABC a part of it for
    each ACK (RFC 5681 equation 3)."""
    mss = pcb.mss
    cwnd = pcb.cwnd
    if not pcb.net.cfg.TCP_ABC:
        return max(mss * mss // cwnd, 1)
    acked += pcb.bytes_acked
    if acked < cwnd:
        pcb.bytes_acked = acked
        return 0
    pcb.bytes_acked = acked - cwnd
    return mss


def ssthresh(pcb, flight):
    """RFC 5681 equation 4: half of FlightSize."""
    return flight >> 1


def on_timeout(pcb):
    """Nothing more than ssthresh."""


def on_idle(pcb):
    """Time plays no part."""


def undo(pcb):
    """Nothing more than cwnd and ssthresh."""
