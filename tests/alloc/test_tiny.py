"""The tiny TCP allocates nothing: the proofs that were written for the full one, at both ends of
the wire, and of what only the tiny one does."""

from stack import config_tiny, pbuf, tcp, tcp_tiny
from stack.err import ERR_ABRT, ERR_MEM, ERR_RST, OK
from stack.kernel import copy

from ..packets import ALL, BROADCAST, PEER, TCP, US, b16, b32, ether, icmp, ip4
from . import test_corners as corners
from . import test_faults as faults
from . import test_hostile as hostile
from . import test_http as http
from . import test_opens_and_closes as opens_and_closes
from . import test_rare as rare
from . import test_transfer as transfer
from . import world
from .end import PATTERN, End
from .proof import nothing
from .script import ACK, RST, SYN, Script, segment
from .world import B_IP, World

KB = 1 << 10


def _same(module, names):
    """Run these tests of `module` with the tiny TCP."""
    ours, theirs = nothing, module.nothing
    world.defaults["TCP_TINY"] = True
    module.nothing = ours
    if hasattr(module, "tcp"):
        module.tcp = tcp_tiny
    try:
        for name in names.split():
            getattr(module, "test_" + name)()
    finally:
        world.defaults.clear()
        module.nothing = theirs
        if hasattr(module, "tcp"):
            module.tcp = tcp


def test_tiny_transfers():
    _same(
        transfer,
        "copied_writes echo_of_received_pbufs half_close writes_larger_than_a_segment zero_window",
    )


def test_tiny_opens_and_closes():
    _same(
        opens_and_closes,
        "abort_at_any_time accept_aborts accept_refuses all_pcbs_at_once "
        "backlog_and_a_listener_that_closes both_close_at_once close_with_data_unread "
        "more_connections_than_pcbs_one_after_the_other nobody_is_there nobody_listens "
        "simultaneous_open the_cable_is_cut the_client_aborts "
        "the_client_closes_first the_peer_never_closes the_server_aborts "
        "the_server_closes_first what_the_api_refuses",
    )


def test_tiny_corners():
    _same(
        corners,
        "a_new_syn_ends_time_wait no_header_pbuf_for_answers no_pcb_for_a_syn no_ref_pbuf "
        "no_way_to_the_network ports_addresses_and_listeners",
    )
    _same(
        rare,
        "a_syn_that_comes_again a_syn_in_time_wait closing_in_two_steps "
        "pcbs_in_time_wait_are_taken the_program_aborts_when_refused_data_is_offered_again "
        "the_receive_pool_runs_short what_connect_and_write_refuse",
    )


def test_tiny_losses():
    _same(faults, "loss heavy_loss corruption reordering_and_duplication small_pools")


def test_tiny_http():
    _same(http, "a_page a_request_in_small_pieces eight_at_once an_idle_client")


def test_tiny_hostile():
    _same(hostile, "the_script_as_it_is one_frame_of_eight_is_changed")


def _profile(client, server):
    """Prove it for a connection between two stacks of the tiny profile."""

    def setup():
        w = World(config=config_tiny)
        w.serve(End(**server))
        end = w.client(End(**client))

        def run():
            w.connect(end)
            assert w.run(w.all_done), "it did not end"
            w.settle()

        return run, w.check

    nothing(setup)


def test_tiny_profile():
    _profile({"total": 16 * KB}, {"total": 16 * KB, "chunk": 100})
    _profile({"total": 4 * KB}, {"echo": True})
    _profile({"total": 4 * KB}, {"total": 100, "refuse": 3})


def _iss(pcb):
    pcb.regs[4] = 0xFFFFFF00


def _quoted(seq):
    """Return the error that quotes our SYN of number `seq`: port unreachable."""
    head = b16(9) + b16(7) + b32(seq)
    return ether(icmp(3, 3, bytes(4), ip4(TCP, head, US, PEER)))


def _answer(seq, ack, flags, opts=b""):
    return ether(segment(7, 9, seq, ack, flags, opts=opts))


_ODD = (
    b"\x01\x01\x08\x02\x02\x04\x05\xb4",
    b"\x08\x00\x00\x00",
    b"\x00\x00\x00\x00",
    b"\x01\x01\x01\x01",
)
_ANSWERS = [
    _answer(500, 77, ACK),
    _answer(500, 77, ACK | RST),
    _answer(500, 0xFFFFFF01, ACK),
    _answer(500, 0, RST),
    _quoted(0xFFFFFF00),
    _answer(500, 0xFFFFFF01, RST | ACK),
] + [_answer(500, 0xFFFFFF01, SYN | ACK, opts) for opts in _ODD]
_GROUP = ether(segment(7, 9, 1, 0, SYN, dst=ALL), dst=BROADCAST)


def test_tiny_answers_to_a_syn():
    """Those that are none, an error from the network, a reset, odd options."""

    def setup():
        s = Script(config_tiny)
        s.net.tcp.iss = _iss

        def run():
            for frame in _ANSWERS:
                pcb = tcp_tiny.new(s.net)
                assert tcp_tiny.bind(pcb, None, 9) == OK
                assert tcp_tiny.connect(pcb, PEER, 7, None) == OK
                s.throw(_GROUP)
                s.throw(frame)
                if pcb.in_use:
                    tcp_tiny.abort(pcb)
            for _ in range(40):
                s.step(5000)

        return run, s.world.check_pools

    nothing(setup)


def test_tiny_chains_and_copies():
    """What write_pbuf() takes, piece by piece; a copy for which there is no pbuf."""

    def setup():
        w = World()
        pool = pbuf.Pool(6, 400, pbuf.RAM)
        server = w.serve(End())
        end = w.client(End())
        server.stay = end.stay = True

        def run():
            w.connect(end)
            w.run(None, 1000)
            head = _piece(pool, 0)
            for n in (0, 300, 200, 400):
                pbuf.cat(head, _piece(pool, n))
            assert tcp_tiny.write_pbuf(end.pcb, head) == OK
            end.total = end.queued = 900
            w.run(None, 1000)
            w.a.pool.avail -= w.a.pool.size - 1
            assert tcp_tiny.write(end.pcb, PATTERN, 900, 10, tcp_tiny.COPY) == ERR_MEM
            w.a.pool.avail += w.a.pool.size - 1
            end.stay = server.stay = False
            assert w.run(w.all_done), "it did not end"
            w.settle()

        return run, w.check

    world.defaults["TCP_TINY"] = True
    try:
        nothing(setup)
    finally:
        world.defaults.clear()


_at = [0]


def _piece(pool, n):
    p = pbuf.alloc(pool, 0, n)
    copy(p.buf, 0, PATTERN, _at[0], n)
    _at[0] = (_at[0] + n) % 900
    return p


def test_tiny_numbers():
    """Initial sequence numbers as RFC 6528 says, at all times of its clock."""

    def setup():
        w = World(config=config_tiny)
        w.a.tcp.iss = w.b.tcp.iss = tcp_tiny.pcb.choose_iss
        server = w.serve(End(total=300))
        end = w.client(End(total=300))

        def run():
            for _ in range(40):
                end.clear()
                server.clear()
                w.connect(end)
                assert w.run(w.all_done), "it did not end"
                w.run(None, 0x2000000)

        return run, w.check

    nothing(setup)


def test_tiny_shutdown():
    """Reading is closed, then more comes: a reset. Both at once. Before the connection is open."""

    def setup():
        w = World(config=config_tiny)
        server = w.serve(End(expect=ERR_ABRT))
        end = w.client(End(total=100, expect=ERR_RST))
        server.stay = end.stay = True

        def run():
            w.connect(end)
            w.run(None, 1000)
            assert tcp_tiny.shutdown(server.pcb, True, False) == OK
            end.total = end.queued = 100
            assert tcp_tiny.write(end.pcb, PATTERN, 0, 100) == OK
            tcp_tiny.output(end.pcb)
            assert w.run(w.all_done), "it did not end"
            pcb = tcp_tiny.new(w.a)
            assert tcp_tiny.connect(pcb, B_IP, 7, None) == OK
            w.settle()

        return run, w.check_pools

    nothing(setup)
