"""lwpy: a TCP/IP stack with static allocation, zero copy and lwIP's raw API.

    net = Stack(seed=entropy)
    net.poll(ticks_ms())
    en0 = netif.add(net, driver, "192.0.2.2", "255.255.255.0", "192.0.2.1")
    netif.set_up(en0)
    while True:
        net.poll(ticks_ms())

The stack never asks for the time and never blocks: whoever owns the loop passes the time in.
Timers count from the last poll, so the first comes before anything that starts one.
"""

from array import array

from . import kernel  # first: each import within another takes C stack

# isort: split
from . import arp, err, eth, hot, icmp, ipv4, netif, pbuf, stats, timer
from .config import load as limits
from .kernel import net_poll, prf, reg_add, reg_load, reg_store

_bytes = bytearray(4)  # scratch
_work = array("I", [0] * 4)


class Stack:
    """One TCP/IP stack: its pools, tables, counters and netifs. All memory is allocated here.

    config: a module or object that overrides limits of stack/config.py, or None.
    seed: 8 bytes or more that nobody can guess (os.urandom): sequence numbers and ports are made
        of them (RFC 6528, 6056). The same seed gives the same stack, which is what tests want.
    Raises ValueError for limits that contradict each other, and for a short seed.
    """

    families = {ipv4.ALEN: ipv4}  # and what else a smaller stack does not need as its own
    udp_pcbs = ()
    fast = (None, None, None)  # the fast path's kernels
    hot_used = 0
    routes = None  # the table of route.py
    address_lost = None  # tcp.address_lost()
    resolve = resolve_local = None  # what finds addresses: of dns.py, of mdns.py
    localhost = None  # the netif of loop.py
    soft = None  # destinations of frag.py
    six = None  # of hot6.py
    pmtu = None  # the table of pmtu.py
    vlans = None  # those of vlan.py

    def __init__(self, config=None, seed=None):
        cfg = self.cfg = limits(config)
        if seed is None or len(seed) < 8:
            raise ValueError("Stack: pass seed= with 8 or more bytes of entropy")
        self._secret = array("I", [0] * 4)  # behind it a counter, and its last image under it
        seed = bytes(seed) + bytes(-len(seed) % 4)
        for i in range(0, len(seed), 4):
            reg_load(self._secret, 2, seed, i)
            for k in range(2):
                reg_store(_bytes, 0, self._secret, 2)
                prf(self._secret, k, self._secret, _bytes, 0, 4, _work)
        self.now = 0
        self.stats = {}
        tcp, more = _parts(cfg)
        if cfg.TCP_TINY or not cfg.NUM_TCP_PCB:
            regs = hot.share(self)
        else:
            names = [eth, arp, ipv4, icmp, tcp.count] + more
            regs = hot.init(
                self,
                sum(len(layer.NAMES) for layer in names)
                + 3 * cfg.NUM_UDP_PCB
                + cfg.TCP_HASH_SIZE
                + cfg.NUM_TCP_PCB * tcp.NREGS
                + cfg.NUM_TCP_SEG * (tcp.SEG_REGS + 1),
            )
            self.sums = [None] * 16  # kernel.rom_sum() remembers: objects, and where in them
            self.sums_at = array("I", [0] * 48)
        self.timers = timer.Timers(regs)
        self.tcp_api = tcp
        self.netifs = []
        self.default_netif = None
        self.pool = pbuf.Pool(cfg.PBUF_POOL_SIZE, cfg.PBUF_POOL_BUFSIZE, pbuf.POOL)
        self.ram = self.pool
        if cfg.PBUF_RAM_SIZE:
            self.ram = pbuf.Pool(cfg.PBUF_RAM_SIZE, cfg.PBUF_RAM_BUFSIZE, pbuf.RAM)
        self.refs = pbuf.Pool(cfg.PBUF_REF_SIZE, 0, pbuf.REF)
        for layer in [eth, arp, ipv4, icmp, tcp] + more:
            layer.init(self)
        eth.register(self, 0x0800, ipv4.receive)
        hot.gather(self)
        if not cfg.TCP_TINY:  # a name is looked for here first, and in vain among many takes long
            self.poll = self.poll

    def link_attach(self, nif):
        """Join a new netif to the layers. Called by netif.add()."""
        eth.attach(nif)
        arp.attach(nif)

    # poll(now) takes what the drivers received, then runs the timers. `now`: ms, 30 bits,
    # wrapping. Returns the ms until the next timer is due: call again then, or when a frame
    # arrives; 0 if frames may still be waiting. Allocates nothing. It is a kernel.
    poll = net_poll

    def prf(self, out, i, buf, off, n):
        """out[i] = kernel.prf, keyed by the stack's secret, of n bytes at buf[off]."""
        prf(out, i, self._secret, buf, off, n, _work)

    def random16(self):
        """Return 0..65535 that nobody can guess who does not know the seed."""
        reg_add(self._secret, 2, 1)
        reg_store(_bytes, 0, self._secret, 2)
        self.prf(self._secret, 3, _bytes, 0, 4)
        reg_store(_bytes, 0, self._secret, 3)
        return _bytes[0] << 8 | _bytes[1]

    def random_port(self):
        """Return 1024..65535: an ephemeral port that nobody can guess, and from another call
        another, if it is taken (RFC 6056 sections 3.2 and 3.3.2)."""
        port = 0
        while port < 1024:
            port = self.random16()
        return port


def _parts(cfg):
    """Return TCP, and what else the limits want: what is not used need not be imported, which
    takes memory, nor be there. Raises ValueError if it is not."""
    more = []
    try:
        if cfg.NUM_UDP_PCB:
            from . import udp

            more.append(udp)
        if cfg.IP_OPTIONS:
            from . import ipopt

            more.append(ipopt)
        if cfg.IP_FRAGMENT:
            from . import frag

            more.append(frag)
        if cfg.IP_ROUTES:
            from . import route

            more.append(route)
        if cfg.IP_FORWARD:
            from . import forward

            more.append(forward)
        if cfg.IP_REASS_MAX:
            from . import reass

            more.append(reass)
        if not cfg.NUM_TCP_PCB:
            from . import tcp_none as tcp
        elif cfg.TCP_TINY:
            from . import tcp_tiny as tcp
        else:
            from . import tcp
    except ImportError as e:
        raise ValueError("Stack: %s. Install it, or do without: docs/protocols.md" % e)
    return tcp, more
