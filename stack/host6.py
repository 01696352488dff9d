"""An IPv6 host (RFC 8504): an interface gets addresses, which are checked for duplicates (RFC 4862
section 5.4), grow old, and end.

    host6.start(en0)                        link-local traffic; or slaac.start(en0)
    host6.add(en0, "2001:db8::2", 64)

    NONE --assign--> TENTATIVE --nobody has it--> PREFERRED --preferred-> DEPRECATED --valid-> NONE
                     |                                      lifetime                 lifetime
                     +-- somebody has it --> NONE, or the next candidate (RFC 7217)
"""

from array import array

from . import addr6, eth, hot, icmp6, ipv6, link, mld, nd
from .err import ERR_MEM, OK
from .kernel import copy, prf, reg_add, reg_store
from .mpy import const
from .pbuf import free

_ETHERTYPE = const(0x86DD)
_NS = const(135)
_NS_TX = const(2)  # of nd.NAMES
_DUPLICATE = const(7)
_NO_ROOM = const(14)
_MAX_HOPS = const(255)
_LEN = const(16)
_SECOND = const(1_000)
_IDGEN_RETRIES = const(3)  # RFC 7217 section 6

_pair = bytearray(32)
_new = bytearray(_LEN)
_hashed = bytearray(16)
_out = array("I", [0])
_work = array("I", [0] * 4)


def start(netif, secret=None):
    """Let `netif` speak IPv6, with a link-local address as soon as nobody else has it.

    secret: 8 bytes or more that are the same at every start of this device, and nobody's else:
    interface identifiers are made of them, and tell nothing (RFC 7217). Without it, of the MAC
    address (RFC 4291 appendix A). Returns netif.ip6. Allocates; for set-up.
    """
    net = netif.net
    if ipv6.ALEN not in net.families:
        _start_stack(net)
    ip6 = netif.ip6
    if ip6 is None:
        ip6 = netif.ip6 = addr6.Interface(netif, _tick)
        ip6.output = nd.output
        ip6.alive = nd.alive
        ip6.duplicate = _duplicate
        ip6.groups = mld.Groups(netif)
        ip6.neighbours = nd.Table(netif, net.cfg.ND_TABLE_SIZE)
        ip6.then_up = netif.on_up
        netif.on_up = _up
        link.on_link(netif, network_changed)
        mld.join(netif, mld.ALL_NODES, 0)
        if net.cfg.IP_FORWARD:
            mld.join(netif, mld.ALL_ROUTERS, 0)
    if secret:
        ip6.secret = _key(secret)
    copy(_new, 0, addr6.ANY, 0, _LEN)
    _new[0] = 0xFE
    _new[1] = 0x80
    identify(ip6, _new, 0)
    assign(netif, _new, 0, addr6.FOREVER, addr6.FOREVER)
    if netif.up:
        _begin(ip6)
    return ip6


def _start_stack(net):
    """Give the stack IPv6. Allocates; for set-up."""
    if net.hot_used:
        from . import hot6

        hot6.start(net)
    ipv6.init(net)
    icmp6.init(net)
    nd.init(net)
    mld.init(net)
    if net.cfg.IP_REASS_MAX:  # what is not used need not be imported
        from . import reass6

        reass6.init(net)
    if net.cfg.IP_FRAGMENT:
        from . import frag6

        frag6.init(net)
    if net.cfg.IP_FORWARD:
        from . import forward6

        forward6.init(net)
    net.families = dict(net.families)
    net.families[ipv6.ALEN] = ipv6
    eth.register(net, _ETHERTYPE, ipv6.receive)
    for proto in (17,) if net.cfg.TCP_TINY else (6, 17):
        fn = net.ip4_protos.get(proto)
        if fn is not None:
            ipv6.register(net, proto, fn, net.ip4_errors.get(proto))
    hot.gather(net)


def _key(secret):
    """Return two registers made of all bytes of `secret`. Allocates; for set-up."""
    key = array("I", [0] * 2)
    for k in range(2):
        prf(key, k, array("I", (k, len(secret))), secret, 0, len(secret), _work)
    return key


def add(netif, ip, plen=64):
    """Give `netif` the address `ip`, on a link whose addresses have the same first `plen` bits.
    It is used as soon as nobody else has it. Returns OK, ERR_ARG if it is there already, ERR_MEM
    without room (IP6_ADDRS, IP6_PREFIXES). Raises ValueError. Allocates; for set-up."""
    ip = addr6.addr(ip)
    _check(plen)
    if not addr6.add_prefix(netif.ip6, ip, 0, plen, addr6.FOREVER):
        return ERR_MEM
    return min(assign(netif, ip, 0, addr6.FOREVER, addr6.FOREVER), OK)


def gateway(netif, ip, to="::", plen=0):
    """Let the neighbour `ip` of `netif` for ever be the router to addresses with the same first
    `plen` bits as `to`; to all of them, it is a default router. The longest prefix wins. Returns
    OK, or ERR_MEM without room (IP6_ROUTERS). Raises ValueError. Allocates; for set-up."""
    ip, to = addr6.addr(ip), addr6.addr(to)
    _check(plen)
    addr6.changed(netif)
    return OK if addr6.add_router(netif.ip6, ip, 0, to, 0, plen, 1, addr6.FOREVER) else ERR_MEM


def _check(plen):
    if not 0 <= plen <= 128:
        raise ValueError("a prefix of IPv6 has 0 to 128 bits, not %d" % plen)


def assign(netif, ip, off, valid, preferred):
    """Give `netif` the address at ip[off], tentatively, for so many seconds. Returns its index, or
    ERR_ARG or ERR_MEM. Allocates nothing."""
    ip6 = netif.ip6
    i = addr6.place(ip6, ip, off)
    if i >= 0 and mld.join(netif, mld.solicited(ip, off), 0) != OK:
        i = ERR_MEM
    if i >= 0:
        ip6.state[i] = addr6.TENTATIVE
        ip6.tries[i] = ip6.dad[i] = ip6.temporary[i] = ip6.auto[i] = 0
        ip6.valid[i] = valid
        ip6.preferred[i] = preferred
    elif i == ERR_MEM:
        reg_add(netif.net.nd_count, _NO_ROOM, 1)
    return i


def remove(netif, i):
    """Take address `i` of ip6.addrs away, and abort its connections. Allocates nothing."""
    ip6 = netif.ip6
    addr6.changed(netif)
    lost = netif.net.address_lost
    if lost is not None:
        lost(netif.net, ip6.addrs, _LEN * i, _LEN)
    if ip6.state[i] > addr6.TENTATIVE:
        ip6.usable -= 1
    ip6.state[i] = addr6.NONE
    mld.leave(netif, mld.solicited(ip6.addrs, _LEN * i), 0)


def identify(ip6, ip, off, times=0):
    """Complete the address whose first 64 bits are at ip[off] with our interface identifier, after
    as many duplicates as `times`."""
    mac = ip6.netif.mac
    if ip6.secret is None:
        copy(ip, off + 8, mac, 0, 3)
        ip[off + 8] ^= 2
        ip[off + 11] = 0xFF
        ip[off + 12] = 0xFE
        copy(ip, off + 13, mac, 3, 3)
        return
    copy(_hashed, 0, ip, off, 8)
    copy(_hashed, 8, mac, 0, 6)
    _hashed[14] = times
    for k in range(2):
        _hashed[15] = k
        prf(_out, 0, ip6.secret, _hashed, 0, 16, _work)
        reg_store(ip, off + 8 + 4 * k, _out, 0)


def _up(netif):
    """The interface comes up, or its IPv4 address has changed."""
    ip6 = netif.ip6
    if ip6.then_up is not None:
        ip6.then_up(netif)
    _begin(ip6)


def network_changed(netif):
    """The cable was plugged in again, maybe into another network: check the addresses anew, and
    tell the routers there what groups we hear. See link.py. Allocates nothing."""
    netif.net.timers.stop(netif.ip6.timer)
    _begin(netif.ip6)


def _begin(ip6):
    """Check the addresses, if that has not begun."""
    if not ip6.timer.running:
        mld.tell(ip6.groups)
        for i in range(ip6.n):
            if ip6.state[i]:
                ip6.state[i] = addr6.TENTATIVE
                ip6.tries[i] = 0
        ip6.usable = 0
        addr6.changed(netif=ip6.netif)
        net = ip6.netif.net  # not all at once after a power failure (RFC 4862 section 5.4.2)
        net.timers.start(ip6.timer, 1 + net.random16() % _SECOND)


def _tick(ip6):
    """A second has passed: go on with duplicate address detection, count lifetimes down."""
    netif = ip6.netif
    if not netif.up:
        return
    netif.net.timers.start(ip6.timer, _SECOND)
    addr6.changed(netif)
    mld.second(netif)
    for i in range(ip6.n):
        state = ip6.state[i]
        if state == addr6.TENTATIVE:
            if ip6.tries[i] < netif.net.cfg.ND_DAD_TRANSMITS:
                ip6.tries[i] += 1
                _ask_for_duplicate(netif, i)
            else:
                ip6.state[i] = addr6.PREFERRED if ip6.preferred[i] else addr6.DEPRECATED
                ip6.usable += 1
        if state:
            _age(netif, ip6, i)
    for i in range(len(ip6.plens)):
        if ip6.plens[i] and ip6.p_valid[i] < addr6.FOREVER:
            ip6.p_valid[i] -= 1
            if not ip6.p_valid[i]:
                ip6.plens[i] = 0
    for i in range(len(ip6.r_left)):
        if 0 < ip6.r_left[i] < addr6.FOREVER:
            ip6.r_left[i] -= 1
        if ip6.gone[i]:
            ip6.gone[i] -= 1
    for fn in ip6.each_second:
        fn(netif)


def _age(netif, ip6, i):
    """Address `i` is a second older (RFC 4862 section 5.5.4)."""
    if ip6.valid[i] < addr6.FOREVER:
        ip6.valid[i] -= 1
        if ip6.valid[i] <= 0:
            remove(netif, i)
            return
    if ip6.preferred[i] < addr6.FOREVER:
        if ip6.preferred[i] > 0:
            ip6.preferred[i] -= 1
        elif ip6.state[i] == addr6.PREFERRED:
            ip6.state[i] = addr6.DEPRECATED


def _ask_for_duplicate(netif, i):
    """Ask whether somebody has our tentative address `i`, without saying who asks."""
    addrs = netif.ip6.addrs
    copy(_pair, 0, mld.solicited(addrs, _LEN * i), 0, _LEN)
    copy(_pair, _LEN, addr6.ANY, 0, _LEN)
    p = nd.message(netif, _NS, 0, addrs, _LEN * i, 0)
    if p is not None:
        if icmp6.send(p, netif, _pair, 0, _MAX_HOPS) == OK:
            reg_add(netif.net.nd_count, _NS_TX, 1)
        free(p)


def _duplicate(netif, i):
    """Somebody has our tentative address `i`, or wants it as well (RFC 4862 section 5.4.5): it is
    given up; one made of a secret is made anew, up to three times (RFC 7217 section 6)."""
    ip6 = netif.ip6
    reg_add(netif.net.nd_count, _DUPLICATE, 1)
    times = ip6.dad[i] + 1
    copy(_new, 0, ip6.addrs, _LEN * i, _LEN)
    remove(netif, i)
    if ip6.secret is not None and times <= _IDGEN_RETRIES:
        identify(ip6, _new, 0, times)
        auto = ip6.auto[i]
        k = assign(netif, _new, 0, ip6.valid[i], ip6.preferred[i])
        if k >= 0:
            ip6.dad[k] = times
            ip6.auto[k] = auto
