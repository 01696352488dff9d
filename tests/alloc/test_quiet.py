"""Connections that say nothing allocate nothing: keep-alive, and who reads their numbers."""

from array import array

from stack import tcp
from stack.err import ERR_TIMEOUT, OK

from ..packets import b32, ether
from .end import End, attach, push
from .proof import nothing
from .script import ACK, FIN, SYN, Script, segment
from .world import World, count

DAY = 86_400_000
ISS = 0x7FFFFF00


def test_keep_alive_for_days():
    """With and without the byte of garbage, past the wrap of the clock."""
    for garbage in (False, True):

        class Limits:
            TCP_KEEP_GARBAGE = garbage

        def setup():
            w = World(config=Limits)
            server = w.serve(End(total=100))
            end = w.client(End(total=100))
            end.stay = server.stay = True
            numbers = array("I", [0] * len(tcp.INFO))

            def run():
                w.connect(end)
                w.run(None, 1000)
                assert tcp.keepalive(end.pcb) == tcp.keepalive(server.pcb) == OK
                tcp.poll(end.pcb, None, 0)
                tcp.poll(server.pcb, None, 0)
                for _ in range(13):
                    w.run(None, DAY)
                tcp.info(end.pcb, numbers)
                end.stay = server.stay = False
                push(end)
                push(server)
                assert w.run(w.all_done)
                w.settle()

            def check():
                w.check()
                assert numbers[tcp.INFO.index("acked")] == 100
                assert count(w.a.stats["tcp"], "keep_probe") >= 77

            return run, check

        nothing(setup)


def test_keep_alive_finds_out():
    """The cable is cut, with and without pbufs for probes."""

    def setup():
        w = World()
        w.serve(End(last=True))
        end = w.client(End(expect=ERR_TIMEOUT))
        end.stay = True

        def run():
            w.connect(end)
            w.run(None, 1000)
            tcp.keepalive(end.pcb, 1000, 100, 5)
            w.wire.ports[1].up = False
            pool = w.a.ram
            avail = pool.avail
            pool.avail = 0
            w.run(None, 1150)
            pool.avail = avail
            w.run(None, 1000)

        def check():
            assert end.err == ERR_TIMEOUT
            assert count(w.a.stats["tcp"], "gave_up") == 1

        return run, check

    nothing(setup)


def test_quickack_ttl_and_tos():
    def setup():
        w = World()
        server = w.serve(End())
        end = w.client(End(total=10))
        end.stay = True

        def run():
            w.connect(end)
            w.run(None, 10)
            tcp.quickack(server.pcb, True)
            tcp.ttl(server.pcb, 9)
            tcp.tos(server.pcb, 8)
            end.total = 500
            end.stay = False
            push(end)
            tcp.output(end.pcb)
            assert w.run(w.all_done), "it did not end"
            w.settle()

        return run, w.check

    nothing(setup)


def test_user_timeouts():
    """Told by a SYN, by an ACK in minutes, taken by the peer; at last the cable is cut."""

    class Limits:
        TCP_UTO = True

    def setup():
        w = World(config=Limits)
        server = w.serve(End(total=2000))
        end = w.client(End(total=2000, expect=ERR_TIMEOUT))
        end.stay = server.stay = True

        def run():
            w.connect(end)
            tcp.user_timeout(end.pcb, 300_000)
            w.run(None, 1000)
            tcp.user_timeout(end.pcb, 40_000_000)
            w.run(None, 1000)
            tcp.keepalive(server.pcb, 1000, 1000, 1)
            tcp.poll(end.pcb, None, 0)
            w.wire.ports[1].up = False
            end.total = 4000
            push(end)
            tcp.output(end.pcb)
            for _ in range(50):
                w.run(None, 1_000_000)

        def check():
            assert end.err == server.err == ERR_TIMEOUT and end.acked == 2000

        return run, check

    nothing(setup)


def test_time_wait_of_one():
    """The oldest makes room, also one that its application has not closed."""

    class Limits:
        TCP_TIME_WAIT_MAX = 1

    def setup():
        w = World(config=Limits)
        server = w.serve(End(total=300, last=True))
        end = w.client(End(total=300))

        def run():
            for _ in range(5):
                end.clear()
                server.clear()
                w.connect(end)
                assert w.run(w.all_done), "it did not end"
            w.settle()

        def check():
            w.check()
            assert w.a.tcp.tw_n == w.b.tcp.tw_n == 0

        return run, check

    nothing(setup)


def test_a_timestamp_ends_time_wait():
    class Limits:
        TCP_TIMESTAMPS = True

    def setup():
        end = End()
        s = Script(Limits)
        pcb = tcp.new(s.net)
        assert tcp.bind(pcb, None, 7) == OK
        lpcb = tcp.listen(pcb)
        tcp.arg(lpcb, end)
        tcp.accept(lpcb, _accepted)
        s.net.tcp.iss = _choose
        frames = []
        for k, first in ((0, 5000), (1, 3000)):
            for n, flags, seq, ack in ((0, SYN, 0, 0), (1, ACK, 1, 1), (2, ACK | FIN, 1, 2)):
                opts = b"\x01\x01\x08\x0a" + b32(0x7FFFFFF0 + 9 * k + n) + bytes(4)
                data = segment(9, 7, first + seq, ISS + ack, flags, opts=opts)
                frames.append(ether(data))

        def run():
            for i in range(6):
                if i == 3:
                    assert end.done
                    end.clear()
                s.throw(frames[i])
                s.step(100)
            assert end.done
            for _ in range(100):
                s.step(2000)

        return run, s.world.check_pools

    nothing(setup)


def _choose(pcb):
    pcb.regs[4] = ISS


def _accepted(end, pcb, err):
    attach(end, pcb)
    push(end)
    return OK
