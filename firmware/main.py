"""What the board runs from reset: the web server of examples/web.py, with the heap locked.

Ctrl-C on the console leads to the REPL, where the server goes on in the background.
"""

import gc
import sys

gc.threshold(16384)  # loading modules from files leaves holes unless it is tidied up meanwhile

import board  # noqa: E402
from examples import web  # noqa: E402

net = board.net()
web.start(net, {"board": board.NAME})


def stats():
    """Print the stack's counters that are not zero, and its pools."""
    for proto, (names, counts) in net.stats.items():
        print(proto, " ".join("%s=%d" % (k, n) for k, n in zip(names, counts) if n))
    for name, pool in (("pool", net.pool), ("ram", net.ram), ("refs", net.refs)):
        print("%s %d of %d free, at least %d" % (name, pool.avail, pool.size, pool.low))


gc.collect()
print("lwpy on %s, MicroPython %d.%d.%d" % ((board.NAME,) + sys.implementation.version[:3]))
print("The heap is locked: %d bytes in use, %d free." % (gc.mem_alloc(), gc.mem_free()))
web.tell(net.default_netif)
board.run(net, lock=True)
print("Stopped. The server goes on in the background: board.stop() ends it.")
print("Here are: net, stats(), board, web")
board.background(net)
