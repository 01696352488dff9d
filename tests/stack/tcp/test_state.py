"""stack/tcp/state.py: every cell of the table, and what a change of state brings. Runs on every
interpreter."""

from stack import pbuf, tcp
from stack.tcp import state
from tests.support import Lab, pools_full

EVENTS = "LISTEN CONNECT SYN SYN_ACKED CLOSE FIN FIN_ACKED END".split()

# RFC 9293 section 3.3.2, figure 5, written down from the RFC. SYN in CLOSED is the figure's SYN in
# LISTEN, whose new connection begins in CLOSED. FIN_ACKED in LAST_ACK and END lead to CLOSED.
DIAGRAM = {
    ("CLOSED", "LISTEN"): "LISTEN",
    ("CLOSED", "CONNECT"): "SYN_SENT",
    ("CLOSED", "SYN"): "SYN_RCVD",
    ("SYN_SENT", "SYN"): "SYN_RCVD",
    ("SYN_SENT", "SYN_ACKED"): "ESTABLISHED",
    ("SYN_RCVD", "SYN_ACKED"): "ESTABLISHED",
    ("SYN_RCVD", "CLOSE"): "FIN_WAIT_1",
    ("ESTABLISHED", "CLOSE"): "FIN_WAIT_1",
    ("ESTABLISHED", "FIN"): "CLOSE_WAIT",
    ("FIN_WAIT_1", "FIN"): "CLOSING",
    ("FIN_WAIT_1", "FIN_ACKED"): "FIN_WAIT_2",
    ("FIN_WAIT_2", "FIN"): "TIME_WAIT",
    ("CLOSE_WAIT", "CLOSE"): "LAST_ACK",
    ("CLOSING", "FIN_ACKED"): "TIME_WAIT",
    ("LAST_ACK", "FIN_ACKED"): "CLOSED",
}


def put(lab, name):
    """Return a pcb that stands in state `name`."""
    pcb = tcp.new(lab.net)
    pcb.state = getattr(state, name)
    return pcb


def test_names_and_numbers_agree():
    assert len(state.NAMES) == 11
    for i, name in enumerate(state.NAMES):
        assert getattr(state, name) == i
    for i, name in enumerate(EVENTS):
        assert getattr(state, "EV_" + name) == i


def test_every_cell():
    lab = Lab()
    cells = 0
    for name in state.NAMES:
        for event in EVENTS:
            pcb = put(lab, name)
            then = "CLOSED" if event == "END" else DIAGRAM.get((name, event))
            try:
                state.happen(pcb, getattr(state, "EV_" + event))
            except AssertionError:
                assert then is None, (name, event)
                assert tcp.state_name(pcb) == name and pcb.in_use, "nothing has changed"
                pcb.state = state.CLOSED
                tcp.close(pcb)
                continue
            assert then == tcp.state_name(pcb), (name, event, tcp.state_name(pcb))
            cells += 1
            if then == "CLOSED":
                assert not pcb.in_use
            else:
                pcb.state = state.CLOSED
                tcp.close(pcb)
            pools_full(lab.net)
    assert cells == len(DIAGRAM) + len(state.NAMES)
    lab.end()


def test_every_state_can_be_reached_and_left():
    reached = set(["CLOSED"])
    for _ in state.NAMES:
        for name, event in DIAGRAM:
            if name in reached:
                reached.add(DIAGRAM[name, event])
    assert reached == set(state.NAMES)


def test_end_tells_the_application_when_the_pcb_is_gone():
    lab = Lab()
    pcb = put(lab, "ESTABLISHED")
    heard = []
    tcp.arg(pcb, "me")
    tcp.err(pcb, lambda arg, err: heard.append((arg, err, pcb.in_use, pcb.state)))
    state.end(pcb, -7)
    assert heard == [("me", -7, False, state.CLOSED)]
    lab.end()


def test_end_without_a_callback():
    lab = Lab()
    pcb = put(lab, "ESTABLISHED")
    state.end(pcb, -7)
    assert not pcb.in_use
    lab.end()


def test_a_change_of_hands_is_seen_by_the_serial():
    lab = Lab(NUM_TCP_PCB=1)
    pcb = put(lab, "ESTABLISHED")
    serial = pcb.serial
    state.happen(pcb, state.EV_CLOSE)
    assert pcb.serial == serial
    state.happen(pcb, state.EV_END)
    assert tcp.new(lab.net) is pcb and pcb.serial != serial
    pcb.serial = 0xFFFFFF
    tcp.close(pcb)
    assert pcb.serial == 0, "it stays a small number"
    lab.end()


def test_time_wait_frees_what_was_queued_and_lasts_two_msl():
    lab = Lab(TCP_MSL=1000)
    pcb = put(lab, "ESTABLISHED")
    pcb.ip.source(lab.nif, pcb.key, 4)
    assert tcp.write(pcb, bytes(100), 0, 100) == 0
    pcb.state = state.FIN_WAIT_2
    state.happen(pcb, state.EV_FIN)
    assert lab.net.tcp.segs_avail == lab.net.cfg.NUM_TCP_SEG
    assert lab.net.ram.avail == lab.net.ram.size and lab.net.refs.avail == lab.net.refs.size
    lab.wait(1999)
    assert pcb.in_use
    lab.wait(1)
    assert not pcb.in_use
    lab.end()


def test_fin_wait_2_is_limited_for_an_orphan_only():
    for orphan in (True, False):
        lab = Lab(TCP_FIN_WAIT_2_TIMEOUT=5000)
        pcb = put(lab, "FIN_WAIT_1")
        pcb.rx_closed = orphan
        state.happen(pcb, state.EV_FIN_ACKED)
        lab.wait(4999)
        assert pcb.in_use
        lab.wait(1)
        assert pcb.in_use != orphan
        pcb.state = state.CLOSED
        lab.end()


def test_closed_frees_everything_a_pcb_holds():
    lab = Lab()
    pcb = put(lab, "ESTABLISHED")
    assert tcp.write(pcb, bytes(3000), 0, 3000) == 0
    pcb.refused = pbuf.alloc(lab.net.pool, 0, 10)
    pbuf.cat(pcb.refused, pbuf.alloc(lab.net.pool, 0, 10))
    for i in range(3):
        pcb.oo_p[i] = pbuf.alloc(lab.net.pool, 0, 10)
    pcb.oo_n = 3
    for t in (pcb.t_rexmit, pcb.t_fast, pcb.t_life, pcb.t_poll):
        lab.net.timers.start(t, 100)
    state.happen(pcb, state.EV_END)
    pools_full(lab.net)
    lab.wait(1000)
    lab.end()
