"""What DHCP's client says (RFC 2131 section 4.4, table 5)."""

from . import dhcpmsg as msg
from . import netif, udp
from .err import ERR_MEM
from .kernel import copy
from .mpy import const
from .pbuf import free

# What is in a message besides its type.
OURS = 1  # ciaddr, and it is sent from there: we have the address
IP = 2  # option 50
SERVER = 4  # option 54
ONE = 8  # it goes to the server only
ASK = 16  # what we would like to know, and our name

_XID = const(4)
_SECS = const(8)
_FLAGS = const(10)
_CIADDR = const(12)
_OPTIONS = const(240)

_HOST = const(12)
_WANTED_IP = const(50)
_KIND = const(53)
_SERVER_ID = const(54)
_PARAMETERS = const(55)
_CLIENT_ID = const(61)

_wanted = bytes((1, 121, 3, 6, 12, 15, 26, 42, 51, 58, 59, 119))  # 121 before 3: RFC 3442
_all = b"\xff\xff\xff\xff"


def send(c, kind, parts):
    """Send the message of `kind` with `parts` of client `c`. Returns OK, ERR_MEM without a pbuf,
    or as udp.sendto(). Allocates nothing."""
    net = c.net
    p = msg.new(net, msg.BOOTREQUEST, c.nif.mac, 0)
    if p is None:
        return ERR_MEM
    buf = p.buf
    off = p.off
    copy(buf, off + _XID, c.xid, 0, 4)
    buf[off + _SECS] = c.secs >> 8
    buf[off + _SECS + 1] = c.secs & 0xFF
    src = netif.NONE
    if parts & OURS:
        src = c.ip
        copy(buf, off + _CIADDR, src, 0, 4)
    else:
        buf[off + _FLAGS] = 0x80  # answer to all: without an address we hear nothing else
    at = msg.put1(buf, off + _OPTIONS, _KIND, kind)
    at = msg.put(buf, at, _CLIENT_ID, c.id, 0, len(c.id))
    if parts & IP:
        at = msg.put(buf, at, _WANTED_IP, c.ip, 0, 4)
    if parts & SERVER:
        at = msg.put(buf, at, _SERVER_ID, c.server, 0, 4)
    if parts & ASK:
        at = msg.put(buf, at, _PARAMETERS, _wanted, 0, len(_wanted))
        if c.name:
            at = msg.put(buf, at, _HOST, c.name, 0, len(c.name))
    msg.close(p, at)
    to = c.server if parts & ONE else _all
    err = udp.sendto_if(net.dhcp_pcb, p, to, msg.SERVER_PORT, c.nif, src)
    free(p)
    return err
