"""The proof fails when something allocates: a test of the tests of this folder."""

import sys

from stack import pbuf, tcp
from stack.err import OK

from ..portable import Skip
from . import proof
from .end import End
from .world import World


def _fails(callback):
    """Does the proof fail for a transfer whose receiver also calls callback(p)?"""
    if not proof.LOCKS:
        raise Skip("needs MicroPython")

    def receive(end, pcb, p, err):
        if p is not None:
            callback(p)
            tcp.recved(pcb, p.tot_len)
            pbuf.free(p)
        return OK

    def accepted(world, pcb, err):
        tcp.recv(pcb, receive)
        return OK

    def setup():
        w = World()
        w.serve()
        tcp.accept(w.listener, accepted)
        end = End(total=5000)

        def run():
            w.connect(end)
            w.run(None, 1000)

        def check():
            assert end.acked == 5000

        return run, check

    try:
        proof.nothing(setup)
    except (MemoryError, AssertionError):
        return True
    return False


def test_a_callback_that_allocates_nothing_passes():
    assert not _fails(lambda p: p.len + 1)


def test_a_slice_is_found():
    assert _fails(lambda p: p.buf[:4])


def test_a_view_is_found():
    assert _fails(lambda p: memoryview(p.buf))


def test_a_tuple_is_found():
    assert _fails(lambda p: (p.len, p.off))


def test_a_bound_method_is_found():
    assert _fails(lambda p: p.buf.append)


def test_a_new_attribute_is_found():
    names = ["a%d" % i for i in range(100)]
    assert _fails(lambda p: setattr(p, names.pop(), 1))


def test_a_32_bit_number_is_found():
    if sys.maxsize > 1 << 31:
        raise Skip("an int of 2^30 is no object here")
    assert _fails(lambda p: p.len + 0x3FFFFFFF)


def test_a_caught_exception_is_found():
    assert _fails(_catch)


def _catch(p):
    try:
        raise ValueError(p)
    except ValueError:
        pass


def test_what_run_asserts_is_reported():
    def setup():
        return _wrong, None

    try:
        proof.nothing(setup)
    except AssertionError as e:
        assert "wrong" in str(e)
    else:
        raise RuntimeError("the failure got lost")


def _wrong():
    assert False, "wrong"  # noqa: B011
