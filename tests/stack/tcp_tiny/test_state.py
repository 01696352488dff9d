"""stack/tcp_tiny/state.py. Runs on every interpreter."""

from stack.tcp import state as full
from stack.tcp_tiny import state
from tests.peer import ACK, FIN, served
from tests.profile import tiny

EVENTS = "CONNECT SYN SYN_ACKED CLOSE FIN FIN_ACKED END".split()


def test_the_table_is_that_of_the_full_tcp():
    assert list(state.NAMES) == list(full.NAMES)
    for name in state.NAMES:
        assert getattr(state, name) == getattr(full, name), name
    for here, name in enumerate(EVENTS):
        assert getattr(state, "EV_" + name) == here
        there = getattr(full, "EV_" + name)
        for s in range(len(state.NAMES)):
            assert state._NEXT[s * 7 + here] == full._NEXT[s * 8 + there], (state.NAMES[s], name)


def test_what_cannot_happen_is_a_bug():
    with tiny():
        lab, app, peer = served()
        try:
            state.happen(app.pcb, state.EV_SYN)
        except AssertionError:
            pass
        else:
            raise RuntimeError("no assertion")
        lab.end()


def test_an_idle_connection_needs_no_timer():
    with tiny():
        lab, app, peer = served()
        lab.wait(5_000)
        assert not lab.net.tcp.timer.running
        lab.end()


def test_one_timer_fires_for_whoever_is_next():
    with tiny():
        lab, app, peer = served()
        polled = []
        api = lab.net.tcp_api
        api.poll(app.pcb, lambda arg, pcb: polled.append(lab.ms), 3)
        other = api.new(lab.net)
        api.poll(other, lambda arg, pcb: polled.append(-lab.ms), 4)
        lab.wait(4_500)
        assert polled == [1500, -2000, 3000, -4000, 4500]
        api.poll(app.pcb, None, 0)
        lab.wait(2_000)
        assert polled[5:] == [-6000]
        api.abort(other)
        lab.wait(5_000)
        assert not lab.net.tcp.timer.running and len(polled) == 6
        lab.end()


def test_time_wait_lasts_two_msl():
    with tiny():
        lab, app, peer = served(TCP_MSL=1_000)
        lab.net.tcp_api.shutdown(app.pcb, False, True)
        peer.expect(FIN | ACK)
        peer.send(FIN | ACK, ack=2)
        peer.expect(ACK)
        pcb = app.pcb
        lab.wait(1_999)
        assert pcb.state == state.TIME_WAIT
        lab.wait(1)
        assert pcb.state == state.CLOSED and not pcb.in_use
        lab.end()
