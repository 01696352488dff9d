"""Traceroute: the routers on the way to ADDRESS. Echo requests with a TTL of 1, 2, 3... expire at
one after the other (RFC 792, time exceeded). The address may be one of IPv6, once the interface
speaks that (slaac.start()).

On a PC: see firmware/boards/PC/board.py.
"""

from stack import err
from stack.apps.netstat import address
from stack.apps.ping import Ping, addr

ADDRESS = "10.0.2.2"
MAX_HOPS = 30
TRIES = 2


class Trace:
    """The way to `ip`. `say` takes each line."""

    def __init__(self, net, ip, say):
        self.ip = addr(ip)
        self.say = say
        self.ping = Ping(net)
        self.ttl = 1
        self.tries = 0

    def next(self):
        """Send the next request."""
        self.tries += 1
        result = self.ping.send(self.ip, Trace.told, self, self.ttl)
        if result:
            self.say(err.name(result))

    def told(self, ms, kind, code, buf, off):
        """A router, or the host itself, has answered, or nobody."""
        if ms < 0 and self.tries < TRIES:
            return self.next()
        who = "*" if ms < 0 else "%s  %d ms" % (address(buf, off, len(self.ip)), ms)
        self.say("%d  %s" % (self.ttl, who))
        self.ttl += 1
        self.tries = 0
        if (ms < 0 or kind == 11) and self.ttl <= MAX_HOPS:
            self.next()


def start(net, ip=ADDRESS, say=print):
    """Trace the way to `ip`. Allocates: it prints."""
    Trace(net, ip, say).next()


if __name__ == "__main__":
    import board

    net = board.net()
    start(net)
    board.run(net)
