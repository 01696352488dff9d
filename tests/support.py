"""What tests share. Runs on every interpreter.

lab = Lab(TCP_WND=4096)         one stack, 10.0.0.1, on a fake driver and a fake clock
lab.put(frame)                  the driver receives `frame`, and the stack is polled
lab.wait(500)                   500 ms pass; all timers fire when they are due
lab.frames                      what the stack has sent: Frame objects
lab.end()                       ends what is still open, and asserts that nothing has leaked

a, b, wire, clock = pair()      two stacks on a virtual wire
"""

from stack import Stack, netif, pbuf
from stack.err import OK

# isort: split
# After the stack: importing it from inside these takes more C stack than MicroPython has.
from hal.clock import Fake
from hal.wire import Wire

from .packets import ARP, GATEWAY, GATEWAY_MAC, MAC, OTHER, OTHER_MAC, PEER, PEER_MAC, Frame, arp

ISS = 0xFFFFFF00  # the stack's initial sequence number: a segment later the numbers wrap
PROFILE = {}  # limits of every Lab; see profile.py
NEIGHBOURS = {PEER: PEER_MAC, OTHER: OTHER_MAC, GATEWAY: GATEWAY_MAC}


class Limits:
    """A configuration: `Limits(TCP_WND=4096)`."""

    def __init__(self, **limits):
        for name in limits:
            setattr(self, name, limits[name])


class Driver:
    """A driver of the HAL's contract (hal/__init__.py) that a test feeds and reads.

    `error`: what tx() returns instead of sending. `hold`: keep what is sent, as a DMA engine does
    until let_go().
    """

    mac = MAC
    mtu = 1500
    caps = 0

    def __init__(self, lab):
        self.lab = lab
        self.inbox = []
        self.held = []
        self.hold = False
        self.error = OK
        self.stats = (("rx_nobuf",), [0])

    def start(self, pool):
        self.pool = pool

    def rx(self):
        if not self.inbox:
            return None
        frame = self.inbox.pop(0)
        p = pbuf.alloc(self.pool, pbuf.LEAD, len(frame))
        if p is None:
            self.stats[1][0] += 1
            return None
        p.buf[pbuf.LEAD : pbuf.LEAD + len(frame)] = frame
        return p

    def tx(self, p):
        if self.error:
            return self.error
        assert p.tot_len <= self.mtu + 14
        self.lab.sent(self, Frame(content(p), self.lab.ms))
        if self.hold:
            pbuf.ref(p)
            self.held.append(p)
        return OK

    def let_go(self):
        """Finish sending."""
        self.hold = False
        while self.held:
            pbuf.free(self.held.pop())

    def link(self):
        return True

    def multicast(self, mac, on):
        pass


class Lab:
    """A stack, alone with a test. The time starts 5 s before its wrap.

    Neighbours answer ARP by themselves while `arp` is set; those exchanges are not in `frames`.
    """

    def __init__(self, **limits):
        limits = dict(PROFILE, **limits)
        self.net = Stack(Limits(**limits), seed=b"unit test")
        self.driver = Driver(self)
        self.frames = []
        self.ms = 0
        self.arp = True
        self.net.poll(self.now())
        self.nif = netif.add(
            self.net, self.driver, "10.0.0.1", "255.255.255.0", "10.0.0.254", name="test"
        )
        self.net.tcp.iss = lambda pcb: set_iss(pcb, ISS)
        netif.set_up(self.nif)
        self.frames.clear()
        for _, counters in self.net.stats.values():
            for i in range(len(counters)):
                counters[i] = 0

    def now(self):
        return (self.ms + 0x40000000 - 5000) & 0x3FFFFFFF

    def put(self, *frames):
        """Let the stack receive `frames`, and poll it."""
        self.driver.inbox += frames
        self.poll()

    def poll(self):
        """Poll the stack until nothing is left to do at this time. Return when to come back."""
        while True:
            after = self.net.poll(self.now())
            if after and not self.driver.inbox:
                return after

    def wait(self, ms):
        """Let `ms` pass."""
        end = self.ms + ms
        step = self.poll()
        while self.ms < end:
            self.ms = min(end, self.ms + step)
            step = self.poll()

    def sent(self, driver, frame):
        """`driver` sends `frame`: a neighbour answers its ARP request, anything else is noted."""
        body = frame.body
        frame.driver = driver
        if self.arp and frame.type == ARP and body[7] == 1:
            mac = NEIGHBOURS.get(body[24:28])
            if mac is not None:
                driver.inbox.append(arp(2, mac, body[24:28], MAC, body[14:18]))
                return
        self.frames.append(frame)

    def take(self, test=None):
        """Return the first frame sent for which test(frame) is true, and forget it; or None."""
        for i in range(len(self.frames)):
            if test is None or test(self.frames[i]):
                return self.frames.pop(i)
        return None

    def count(self, proto, name):
        """Return the value of a counter."""
        names, counters = self.net.stats[proto]
        return counters[list(names).index(name)]

    def listen(self, port=7, fn=None, arg=None, backlog=None, ip=None):
        """Return a new listener whose accept callback is `fn`."""
        tcp = self.net.tcp_api
        pcb = tcp.new(self.net)
        assert tcp.bind(pcb, ip, port) == OK
        lpcb = tcp.listen(pcb, backlog)
        tcp.arg(lpcb, arg)
        tcp.accept(lpcb, fn)
        return lpcb

    def end(self):
        """Abort what is left, and assert that all has come back."""
        tcp = self.net.tcp_api
        for lpcb in self.net.tcp.listeners:
            if lpcb.in_use:
                tcp.close(lpcb)
        for pcb in tcp.pcbs(self.net):
            tcp.abort(pcb)
        self.driver.let_go()
        self.poll()
        pools_full(self.net)


def set_iss(pcb, iss):
    pcb.regs[4] = iss


def pools_full(net):
    """Assert that every pool of `net` is full and no connection is left."""
    for name in ("pool", "ram", "refs"):
        pool = getattr(net, name)
        assert pool.avail == pool.size, "%s: %d of %d" % (name, pool.avail, pool.size)
    tcp = net.tcp_api
    assert not tcp.pcbs(net), [tcp.state_name(pcb) for pcb in tcp.pcbs(net)]
    if net.cfg.TCP_TINY:
        assert net.tcp.current is None
    elif net.tcp.pcbs:
        assert not any(pcb.regs[47] for pcb in net.tcp.pcbs), "BUSY"
        assert net.tcp.segs_avail == net.cfg.NUM_TCP_SEG, "segments: %d" % net.tcp.segs_avail
        assert not any(net.tcp.table)
    assert all(not lpcb.in_use or lpcb.pending == 0 for lpcb in net.tcp.listeners)


def content(p):
    """Return the bytes of chain `p`."""
    data = bytearray(p.tot_len)
    assert pbuf.copy_partial(p, data, 0, p.tot_len) == p.tot_len
    return bytes(data)


def pair(seed=1, limits=None, faults=None):
    """Return two stacks, 10.0.0.1 and 10.0.0.2, that are up, their wire, and its clock; for
    hal.sim.run((a, b), wire, clock, until)."""
    clock = Fake()
    wire = Wire(seed=seed)
    if faults is not None:
        wire.set_faults(faults)
    nets = []
    for i in range(2):
        net = Stack(limits, seed=bytes((seed & 0xFF, i)) + b"paired")
        net.tcp.iss = lambda pcb: set_iss(pcb, ISS)
        ip = bytes((10, 0, 0, 1 + i))
        nets.append(net)
        netif.add(net, wire.ports[i], ip, "255.255.255.0", "10.0.0.254")
    wire.tick(clock())
    for net in nets:
        net.poll(clock())
        netif.set_up(net.netifs[0])
    return nets[0], nets[1], wire, clock
