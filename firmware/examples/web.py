"""A web server with a page that shows, live, what the stack that serves it is doing.

    /           the page (page.py): bytes in ROM, sent from there
    /names      what the numbers of /stats are called, as JSON
    /stats      uptime, counters, pools, connections: 32-bit numbers (stack/apps/status.py)
    /bench200   200 bytes, for measuring

On a PC: see firmware/boards/PC/board.py. Nothing is allocated while it serves.
"""

import gc
import sys

from stack.apps import http
from stack.apps.status import Status

if __name__ == "__main__":
    from page import HTML
else:
    from .page import HTML

PORT = 80
BENCH = b"200 bytes " * 20


def start(net, about=None, quiet=False):
    """Serve on PORT. `about`: a dict of what the page says of the machine. Without `quiet`, each
    visit is printed. Allocates; for set-up."""
    nif = net.default_netif
    facts = {
        "board": sys.platform,
        "python": "%s %d.%d.%d"
        % ((sys.implementation.name,) + tuple(sys.implementation.version[:3])),
        "address": ".".join(str(b) for b in nif.ip) if nif.has_ip else "",
        "mac": ":".join("%02x" % b for b in nif.mac),
    }
    facts.update(about or {})
    heap = (("heap in use", gc.mem_alloc),) if hasattr(gc, "mem_alloc") else ()
    status = Status(net, facts, heap)
    routes = {
        "/": http.static("text/html; charset=utf-8", HTML),
        "/names": http.static("application/json", status.names),
        "/stats": http.live("application/octet-stream", status.size, status.fill),
        "/bench200": http.static("text/plain", BENCH),
    }
    return http.serve(net, routes, PORT, None if quiet else visited)


def tell(nif):
    """Say where the page is, now and each time that DHCP has changed it."""
    if hasattr(nif, "dhcp"):
        nif.dhcp.status = moved
    moved(None, nif, 0)


def moved(arg, nif, state):
    """Say where the page is. Allocates nothing."""
    if nif.has_ip:
        a, b, c, d = nif.ip
        print("Serving http://", end="")
        print(a, b, c, d, sep=".", end="/\n")
    else:
        print("No address yet: DHCP looks for one.")


def visited(path):
    """Say that somebody has opened the page."""
    if path == "/":
        print("Somebody opened the page.")


if __name__ == "__main__":
    import board

    net = board.net()
    start(net, {"board": board.NAME})
    tell(net.default_netif)
    board.run(net, lock=True)
