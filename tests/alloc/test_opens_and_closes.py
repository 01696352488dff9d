"""Every way to open, close, refuse, reset and lose a connection allocates nothing."""

from stack import pbuf, tcp
from stack.err import (
    ERR_ABRT,
    ERR_ARG,
    ERR_CONN,
    ERR_ISCONN,
    ERR_MEM,
    ERR_RST,
    ERR_RTE,
    ERR_TIMEOUT,
    ERR_USE,
    OK,
)

# isort: split
from hal.faults import Faults

from .end import PATTERN, End, attach, connected, push
from .proof import nothing
from .world import A_IP, B_IP, PORT, World, count


def _connect_once(client, server, config=None):
    """Prove it for one connection between these Ends (None: nobody listens)."""

    def setup():
        w = World(config=config)
        if server is not None:
            w.serve(End(**server))
        end = w.client(End(**client))

        def run():
            w.connect(end)
            assert w.run(w.all_done), "it did not end"
            w.settle()

        return run, w.check

    nothing(setup)


def test_the_client_closes_first():
    _connect_once({}, {"last": True})


def test_the_server_closes_first():
    _connect_once({"last": True}, {})


def test_both_close_at_once():
    _connect_once({}, {})


def test_nobody_listens():
    _connect_once({"expect": ERR_RST}, None)


def test_the_server_aborts():
    _connect_once(
        {"total": 9000, "expect": ERR_RST}, {"reset_at": 3000, "total": 50000, "expect": ERR_ABRT}
    )


def test_the_client_aborts():
    _connect_once(
        {"reset_at": 0, "total": 90000, "expect": ERR_ABRT}, {"total": 9000, "expect": ERR_RST}
    )


def test_more_connections_than_pcbs_one_after_the_other():
    def setup():
        w = World()
        server = w.serve(End(total=300))
        end = w.client(End(total=300))

        def run():
            for _ in range(30):
                end.clear()
                server.clear()
                w.connect(end)
                assert w.run(w.all_done), "it did not end"
                assert end.err == OK and server.err == OK and end.got == server.got == 300
            w.settle()

        return run, w.check

    nothing(setup)


def test_all_pcbs_at_once():
    """Eight connections, then a ninth for which there is no pcb; b has backlog for four."""

    def setup():
        w = World()
        w.serve(*[End(total=20000, chunk=500) for _ in range(8)])
        ends = [w.client(End(total=20000, chunk=700)) for _ in range(8)]

        def run():
            for end in ends:
                w.connect(end)
            assert tcp.new(w.a) is None
            assert w.run(w.all_done), "it did not end"
            w.settle()

        return run, w.check

    nothing(setup)


def test_accept_refuses():
    def setup():
        w = World()
        w.serve()  # with no End to give to a connection
        end = w.client(End(expect=ERR_RST))

        def run():
            w.connect(end)
            assert w.run(w.all_done), "it did not end"
            w.settle()

        return run, w.check

    nothing(setup)


def _aborting_accept(arg, pcb, err):
    tcp.abort(pcb)
    return ERR_ABRT


def test_accept_aborts():
    def setup():
        w = World()
        w.serve()
        tcp.accept(w.listener, _aborting_accept)
        end = w.client(End(expect=ERR_RST))

        def run():
            w.connect(end)
            assert w.run(w.all_done), "it did not end"
            w.settle()

        return run, w.check

    nothing(setup)


def test_nobody_is_there():
    """ARP is not answered, the SYN neither."""

    def setup():
        w = World()
        w.nb.driver.up = False
        end = w.client(End(expect=ERR_TIMEOUT))

        def run():
            w.connect(end)
            assert w.run(w.all_done), "it did not end"
            w.settle()

        return run, w.check

    nothing(setup)


def test_the_cable_is_cut():
    """Data is under way in both directions, and nothing more arrives."""

    def setup():
        w = World(Faults(delay_ms=50))
        server = w.serve(End(total=1 << 20, expect=ERR_TIMEOUT))
        end = w.client(End(total=1 << 20, expect=ERR_TIMEOUT))

        def run():
            w.connect(end)
            w.run(None, 1000)
            assert server.got and end.got
            w.nb.driver.up = False
            assert w.run(w.all_done, 3_600_000), "it did not end"
            w.settle()

        return run, w.check

    nothing(setup)


def test_the_peer_never_closes():
    """An orphan in FIN_WAIT_2 is forgotten in the end; the peer is reset when it speaks again."""

    def setup():
        w = World()
        server = w.serve(End(expect=ERR_RST))
        server.stay = True
        end = w.client(End())

        def run():
            w.connect(end)
            w.run(None, 1000)
            assert tcp.state_name(end.pcb) == "FIN_WAIT_2" and server.eof
            assert tcp.close(end.pcb) == OK
            end.done = True
            w.run(None, 120_000)
            server.total = 100
            push(server)
            tcp.output(server.pcb)
            assert w.run(w.all_done), "it did not end"
            w.settle()

        return run, w.check

    nothing(setup)


def test_simultaneous_open():
    def setup():
        w = World()
        one, two = End(total=3000), End(total=3000)
        w.clients += [one, two]

        def run():
            a = tcp.new(w.a)
            b = tcp.new(w.b)
            attach(one, a)
            attach(two, b)
            assert tcp.bind(a, None, 1000) == OK
            assert tcp.bind(b, B_IP, 2000) == OK
            assert tcp.connect(a, B_IP, 2000, connected) == OK
            assert tcp.connect(b, A_IP, 1000, connected) == OK
            assert w.run(w.all_done), "it did not end"
            assert one.open and two.open
            w.settle()

        return run, w.check

    nothing(setup)


def test_close_with_data_unread():
    def setup():
        w = World()
        server = w.serve(End(hold=True))
        server.stay = True
        end = w.client(End(total=5000, expect=ERR_RST))

        def run():
            w.connect(end)
            w.run(None, 1000)
            assert server.got == 5000
            assert tcp.close(server.pcb) == OK
            server.done = True
            assert w.run(w.all_done), "it did not end"
            w.settle()

        return run, w.check

    nothing(setup)


def test_shutdown_of_reading():
    """What comes afterwards resets the connection; refused data is dropped."""

    def setup():
        w = World()
        server = w.serve(End(refuse=1000, expect=ERR_ABRT))
        server.stay = True
        end = w.client(End(total=3000, expect=ERR_RST))
        end.stay = True

        def run():
            w.connect(end)
            w.run(None, 1000)
            assert tcp.shutdown(server.pcb, True, False) == OK
            w.run(None, 1000)
            end.total = 6000
            push(end)
            tcp.output(end.pcb)
            assert w.run(w.all_done), "it did not end"
            w.settle()

        return run, w.check

    nothing(setup)


def test_abort_at_any_time():
    """Either side gives up 0, 1, ... ms into a transfer, or the listener closes."""

    def setup():
        w = World(Faults(delay_ms=3))
        server = w.serve(End(total=20000))
        end = w.client(End(total=20000))

        def run():
            for ms in range(60):
                end.clear()
                server.clear()
                w.connect(end)
                w.run(None, ms // 3 * 2)
                victim = end if ms % 3 else server
                if ms % 3 == 2:
                    if end.pcb is not None:
                        tcp.close(end.pcb)
                elif victim.pcb is not None:
                    tcp.abort(victim.pcb)
                w.run(None, 1000)
            if end.pcb is not None:
                tcp.abort(end.pcb)
            if server.pcb is not None:
                tcp.abort(server.pcb)
            w.settle()

        return run, w.check_pools

    nothing(setup)


def test_backlog_and_a_listener_that_closes():
    """More SYNs than the backlog holds; then the listener goes, and its children with it."""

    def setup():
        w = World()
        w.serve(backlog=2)
        w.nb.driver.hook = lambda buf, off, n: buf[off + 12] == 8 and buf[off + 13] == 0
        ends = [w.client(End(expect=ERR_TIMEOUT)) for _ in range(5)]

        def run():
            for end in ends:
                w.connect(end)  # b's SYN,ACK is lost
            w.run(None, 3000)
            assert w.listener.pending == 2
            tcp.close(w.listener)
            assert w.run(w.all_done), "it did not end"
            w.listener = None
            w.settle()

        def check():
            w.check()
            assert count(w.b.stats["tcp"], "backlog_full") > 0

        return run, check

    nothing(setup)


def test_what_the_api_refuses():
    def setup():
        w = World()
        w.serve()

        def run():
            pcb = tcp.new(w.b)
            assert tcp.bind(pcb, None, PORT) == ERR_USE
            assert tcp.bind(pcb, b"", 1) == tcp.bind(pcb, None, 65536) == ERR_ARG
            assert tcp.listen(pcb) is None
            assert tcp.write(pcb, b"x", 0, 1) == ERR_CONN
            assert tcp.write(pcb, b"x", 0, 2) == ERR_ARG
            assert tcp.shutdown(pcb, True, True) == ERR_CONN
            assert tcp.connect(pcb, A_IP, 0, None) == ERR_ARG
            w.nb.up = False
            assert tcp.connect(pcb, A_IP, 1, None) == ERR_RTE
            w.nb.up = True
            assert tcp.bind(pcb, None, 99) == OK
            assert tcp.connect(pcb, A_IP, 1, None) == OK
            assert tcp.connect(pcb, A_IP, 1, None) == tcp.bind(pcb, None, 1) == ERR_ISCONN
            tcp.poll(pcb, None, 0)
            tcp.nagle_disable(pcb)
            tcp.nagle_enable(pcb)
            assert tcp.close(pcb) == OK
            w.settle()

        return run, w.check_pools

    nothing(setup)


def test_no_pbuf_for_a_syn_or_a_fin():
    def setup():
        w = World()
        server = w.serve(End())
        server.stay = True
        end = w.client(End())
        end.stay = True
        hoard = [None] * w.a.ram.size

        def run():
            i = 0
            pcb = tcp.new(w.a)
            while w.a.ram.avail:
                hoard[i] = pbuf.alloc(w.a.ram, 0, 10)
                i += 1
            assert tcp.connect(pcb, B_IP, PORT, None) == ERR_MEM
            assert tcp.close(pcb) == OK
            for k in range(4):
                pbuf.free(hoard[k])
            w.connect(end)
            w.run(None, 100)
            for k in range(4):
                hoard[k] = pbuf.alloc(w.a.ram, 0, 10)
            assert tcp.write(end.pcb, PATTERN, 0, 100) == ERR_MEM
            assert tcp.shutdown(end.pcb, False, True) == tcp.close(end.pcb) == ERR_MEM
            for k in range(i):
                pbuf.free(hoard[k])
            end.stay = server.stay = False
            assert w.run(w.all_done), "it did not end"
            w.settle()

        return run, w.check

    nothing(setup)
