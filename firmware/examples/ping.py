"""Ping (RFC 792): how long a packet to ADDRESS and back takes, COUNT times. The address may be one
of IPv6, as QEMU's fec0::2, once the interface speaks that (slaac.start()).

On a PC: see firmware/boards/PC/board.py. 10.0.2.2 is the host that QEMU offers.
"""

from stack import err
from stack.apps.netstat import address
from stack.apps.ping import Ping, addr
from stack.timer import Timer

ADDRESS = "10.0.2.2"
COUNT = 4
INTERVAL = 1000


class Run:
    """Requests that are sent one after the other. `say` takes each line."""

    def __init__(self, net, ip, count, say):
        self.net = net
        self.ip = addr(ip)
        self.left = count
        self.say = say
        self.ping = Ping(net)
        self.timer = Timer(Run.next, self)

    def next(self):
        """Send the next request."""
        self.left -= 1
        result = self.ping.send(self.ip, Run.told, self)
        if result:
            self.say(err.name(result))

    def who(self, buf, off):
        """Return who has answered."""
        return address(buf, off, len(self.ip))

    def told(self, ms, kind, code, buf, off):
        """It has been answered, or has not."""
        if ms < 0:
            self.say("no answer")
        elif kind:
            self.say("%s says: type %d, code %d" % (self.who(buf, off), kind, code))
        else:
            self.say("%s has answered after %d ms" % (self.who(buf, off), ms))
        if self.left:
            self.net.timers.start(self.timer, INTERVAL)


def start(net, ip=ADDRESS, count=COUNT, say=print):
    """Ping `ip`. Allocates: it prints."""
    Run(net, ip, count, say).next()


if __name__ == "__main__":
    import board

    net = board.net()
    start(net)
    board.run(net)
