"""The proof that code allocates nothing, on MicroPython. nothing(setup) calls the `run` of
`run, check = setup()` twice,

    1. with the collector off, and gc.mem_alloc() before and after compared: whatever was allocated
       shows, also what a caught exception took
    2. with the heap locked, where an allocation raises MemoryError and so tells the line

each time on a fresh setup(), so that the first packet counts as well as the thousandth, and then
calls check(), which may allocate. CPython allocates as it pleases: there it is an ordinary test.
"""

import gc

try:
    import micropython
except ImportError:
    micropython = None

LOCKS = hasattr(micropython, "heap_lock")

if hasattr(micropython, "alloc_emergency_exception_buf"):  # some ports have a fixed one
    micropython.alloc_emergency_exception_buf(512)  # for the traceback of an error under the lock


def nothing(setup):
    """Assert that run() allocates nothing, where run, check = setup(). run() may use at most five
    variables of setup(): MicroPython calls a larger closure through the heap."""
    gc.collect()
    run, check = setup()
    n = 0
    if LOCKS:
        n = allocated(run)
        check()
        run = check = None  # one world at a time fits into a small heap
        gc.collect()
        run, check = setup()
        locked(run)
    else:
        run()
    check()
    assert n == 0, "%d bytes were allocated, unseen by the heap lock: a caught exception?" % n


def allocated(run):
    """Return how many bytes of the heap run() takes."""
    gc.collect()
    gc.disable()
    try:
        before = gc.mem_alloc()
        run()
        return gc.mem_alloc() - before
    finally:
        gc.enable()


def locked(run):
    """Call run() with the heap locked: MemoryError is raised where it allocates."""
    gc.collect()
    micropython.heap_lock()
    try:
        run()
    finally:
        micropython.heap_unlock()
