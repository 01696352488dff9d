"""TCP transfers on a perfect wire allocate nothing: whole segments, odd ones, copies, refusals."""

from stack import tcp

from .end import End, release
from .proof import nothing
from .world import World

KB = 1 << 10


def transfer(client, server, turn=0):
    """Prove it for a connection between Ends made of these options."""

    def setup():
        w = World(turn=turn)
        w.serve(End(**server))
        end = w.client(End(**client))

        def run():
            w.connect(end)
            assert w.run(w.all_done), "it did not end"
            w.settle()

        return run, w.check

    nothing(setup)


def test_whole_segments_one_way():
    """What the kernels of kernel/send_plain.py send."""
    for chunk in (1460, 2920):
        transfer({"total": 90 * 1460, "chunk": chunk}, {"total": 10, "last": True})


def test_small_writes():
    transfer({"total": 20 * KB, "chunk": 37}, {"total": 20 * KB, "chunk": 1})


def test_writes_larger_than_a_segment():
    transfer({"total": 64 * KB, "chunk": 4000}, {"total": 64 * KB, "chunk": 1461})


def test_copied_writes():
    copied = {"total": 32 * KB, "chunk": 300, "flags": tcp.COPY}
    transfer(copied, {"total": 32 * KB, "chunk": 1000, "flags": tcp.COPY | tcp.MORE})


def test_urgent_data():
    transfer({"total": 32 * KB, "flags": tcp.URGENT}, {"total": 8 * KB, "chunk": 100})


def test_refused_data_is_offered_again():
    transfer({"total": 32 * KB}, {"total": 8 * KB, "refuse": 20})


def test_half_close():
    transfer({"total": 16 * KB}, {"total": 64 * KB, "last": True})


def test_echo_of_received_pbufs():
    def setup():
        w = World()
        w.serve(End(echo=True))
        end = w.client(End(total=256 * KB))

        def run():
            w.connect(end)
            assert w.run(w.all_done), "it did not end"
            w.settle()

        def check():
            w.check()
            assert end.got == 256 * KB

        return run, check

    nothing(setup)


def test_zero_window():
    def setup():
        w = World()
        server = w.serve(End(hold=True))
        end = w.client(End(total=64 * KB))

        def run():
            w.connect(end)
            w.run(None, 120_000)
            release(server)
            assert w.run(w.all_done), "it did not end"
            w.settle()

        return run, w.check

    nothing(setup)
