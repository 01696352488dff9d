"""Every limit of the stack, in one place.

A user's own module (or any object with attributes) overrides what it names:
`Stack(config=my_config)`. `load()` checks the result, and says what to change.
Sizes are bytes, times milliseconds.
"""

# Pools (pbuf.py). A receive pbuf holds a whole Ethernet frame behind a 2-byte lead, which puts the
# IP header on a 4-byte boundary. A header pbuf holds all headers, or a small copied send.
PBUF_POOL_SIZE = 16
PBUF_POOL_BUFSIZE = 1536
PBUF_RAM_SIZE = 32  # 0: headers, too, come from the receive pool
PBUF_RAM_BUFSIZE = 128
PBUF_REF_SIZE = 32

# Netif and poll
RX_BUDGET = 8  # frames taken from one driver in one poll
FASTPATH = True  # what is usual on the first netif goes a short way (kernel/fast_plain.py)

# ARP (RFC 826, RFC 1122 section 2.3.2)
ARP_TABLE_SIZE = 8
ARP_MAX_AGE = 300_000  # a confirmed entry is used this long
ARP_RETRY = 1_000  # between requests for one address
ARP_MAX_TRIES = 4

# IPv4
IP_TTL = 64
IP_ROUTES = 4  # static ones, and redirects (route.py); 0: none but those of the interfaces
IP_FORWARD = False  # packets for others are forwarded between interfaces (forward.py, forward6.py)
IP_OPTIONS = True  # packets with options are taken (ipopt.py); False: dropped
IP_FRAGMENT = True  # packets beyond the MTU are cut (frag.py), but not TCP's; False: refused
IP_REASS_MAX = 2  # datagrams put together from fragments at once (reass.py); 0: none is
IP_REASS_PBUFS = 6  # fragments that wait, of all: at most, and never the receive pool's last two
IP_REASS_AGE = 30_000  # ms that they wait for the rest (RFC 1122 section 3.3.2)
ICMP_ERRORS_PER_S = 10  # unreachables sent (RFC 1812 section 4.3.2.8); 0 sends none

# Path MTUs (pmtu.py)
PMTU_TABLE_SIZE = 4  # destinations whose path MTU is remembered
PMTU_MIN = 552  # an IPv4 path is never believed to take less
PMTU_MAX_AGE = 600_000  # then a larger one is tried again (RFC 1191 section 6.3)

# IPv6 (RFC 8200), of an interface that speaks it (host6.py, slaac.py): others take no memory
IP6_ADDRS = 4  # our addresses
IP6_PREFIXES = 4  # of the link
IP6_ROUTERS = 4  # routers that are remembered, by default or for a prefix
IP6_REDIRECTS = 2  # destinations that routers have redirected
IP6_DNS = 3  # name servers that routers have told of (slaac.py)
IP6_SEARCH = 64  # bytes of the list of domains to search
IP6_GROUPS = 8  # multicast groups: all nodes', one for each address, and the application's
IP6_EXTENSIONS = 8  # headers of one packet between IPv6 and what it carries
IP6_OPTIONS = 16  # options of one extension header, padding included (RFC 8504 section 5.3)
ND_TABLE_SIZE = 8  # neighbours
ND_REACHABLE = 30_000  # a confirmed neighbour is not asked this long, on average
ND_RETRANS = 1_000  # between questions to, or for, one neighbour
ND_DAD_TRANSMITS = 1  # questions whether somebody has a new address; 0: it is taken as it is

# UDP
NUM_UDP_PCB = 8  # 0: there is no UDP

# IGMP (igmp.py): only of a stack that igmp.start() is called for
IGMP_GROUPS = 4  # that are joined, of all netifs together

# DNS (dns.py): only of a stack that dns.start() is called for
DNS_SERVERS = 3
DNS_QUERIES = 4  # at a time
DNS_TIMEOUT = 1_000  # of the first round of all servers; the next wait twice as long
DNS_ROUNDS = 3
DNS_EDNS_SIZE = 1232  # RFC 6891: the longest answer that we take over UDP; 0: 512, without EDNS
DNS_0X20 = True  # letters of random case make an answer harder to forge; all servers repeat them
DNS_TCP_SIZE = 1024  # what is kept of an answer that comes over TCP; 0: none is asked for there
DNS_CNAMES = 8  # aliases followed for one query
DNS_CACHE_SIZE = 8  # 0: no cache
DNS_CACHE_NAME = 64  # the longest name in it, in bytes on the wire
DNS_TTL_MAX = 86_400  # seconds that an answer is kept
DNS_NEGATIVE_TTL_MAX = 900  # and that there is none (RFC 2308)

# mDNS (mdns.py): only of a stack that mdns.start() is called for
MDNS_SERVICES = 2  # that are offered
MDNS_QUERIES = 2  # at a time
MDNS_TIMEOUT = 5_000  # of a query, and how long browse() listens
MDNS_SEEN = 16  # instances that one browse() tells apart

# SNTP (sntp.py): only of a stack that sntp.start() is called for
SNTP_SERVERS = 2
SNTP_START_MAX = 1_000  # the first question waits at random (RFC 4330 section 10)
SNTP_TIMEOUT = 3_000  # the wait for an answer; after each that has not come twice as long
SNTP_INTERVAL = 3_600_000  # between answers
SNTP_EARLIEST = 9497  # 2026-01-01, in days since 2000: no time before it is believed

# DHCP (dhcp.py)
DHCP_ACD = True  # whether nobody else has the address is found out first (RFC 5227): 4 to 7 s
DHCP_TRIES = 4  # requests in vain before a server is looked for anew
DHCP_AUTOIP = 0  # questions in vain before an address of 169.254/16 is taken meanwhile; 0: none
DHCP_MAX_DNS = 3  # servers that are remembered
DHCP_MAX_NTP = 2
DHCP_TEXT = 64  # bytes of a name: of the host, of its domain, of domains to search

# DHCP's server (dhcpd.py)
DHCPD_LEASES = 4  # addresses that it gives out

# TCP (RFC 9293)
TCP_TINY = False  # the tiny TCP (tcp_tiny/): one segment under way, no queues; see config_tiny.py
NUM_TCP_PCB = 8  # 0: there is no TCP
NUM_TCP_LISTEN = 4
NUM_TCP_SEG = 24  # segments sent and not acknowledged, of all connections together
TCP_HASH_SIZE = 16  # buckets of the connection table, a power of two
TCP_MSS = 1460  # the largest segment received, and sent if the peer agrees
TCP_WND = 5840  # receive window: at most what the receive pool can hold
TCP_SND_BUF = 5840  # bytes queued for one connection
TCP_SND_QUEUELEN = 12  # segments queued for one connection
TCP_OOSEQ_MAX = 6  # out-of-order segments kept for one connection; 0 keeps none
TCP_BACKLOG = 4  # connections that wait for their handshake, of one listener
TCP_SYN_COOKIES = 1  # RFC 4987: 0 off, 1 if there is no room for half-open ones, 2 always
TCP_MSL = 30_000  # TIME_WAIT lasts twice this
TCP_TIME_WAIT_MAX = 0  # at most so many pcbs are in it, the oldest is forgotten; 0: any number
TCP_RFC1337 = False  # a reset does not end it; or does, as RFC 9293 says
TCP_RTO_INIT = 1_000  # RFC 6298
TCP_RTO_MIN = 300
TCP_RTO_MAX = 60_000
TCP_MAXRTX = 8  # retransmissions of one segment before the connection is given up (R2)
TCP_SYNMAXRTX = 7  # the same for our SYN: three minutes (R2, RFC 9293 section 3.8.3)
TCP_SYNACKMAXRTX = 5  # and for a SYN,ACK, whose connection nobody waits for
TCP_FASTOPEN = 0  # RFC 7413: 1 as a client, 2 as a server, 3 both; text may come twice
TCP_FASTOPEN_CACHE = 4  # servers whose cookies we keep
TCP_FASTOPEN_KEY_MS = 3_600_000  # our cookies are good for one to two times this
TCP_WINDOW_SCALE = True  # RFC 7323 section 2: windows above 65,535, ours or the peer's
TCP_TIMESTAMPS = False  # RFC 7323 section 3: 12 bytes more in each segment
TCP_SACK = True  # RFC 2018: tell what has come early (TCP_OOSEQ_MAX > 0), and hear of it
TCP_RACK = True  # RFC 8985: with SACK, losses are found by time, and probes tell of the last
TCP_FRTO = True  # RFC 5682: find out whether a timeout was spurious, and undo it
TCP_DELACK = 40  # a delayed ACK waits no longer (RFC 1122 section 4.2.3.2: below 500)
TCP_PMTUD = True  # smaller segments when a router says so (RFC 1191)
TCP_BLACKHOLE_RTX = 2  # retransmissions in vain before smaller segments are tried; 0: never
TCP_BLACKHOLE_MTU = (1280, 576)  # the packets that are tried then, one size after the other
TCP_CHALLENGES_PER_S = 20  # answers to what may be an attack, on average (RFC 5961 section 7)
TCP_UTO = False  # RFC 5482: tell the peer of a user timeout, and take its own, within these:
TCP_UTO_MIN = 100_000
TCP_UTO_MAX = 3_600_000
TCP_FIN_WAIT_2_TIMEOUT = 60_000  # an orphan (closed by the application) waits this long for FIN
TCP_KEEP_IDLE = 7_200_000  # what tcp.keepalive() does if it is not told (RFC 1122 section 4.2.3.6)
TCP_KEEP_INTVL = 75_000
TCP_KEEP_CNT = 9
TCP_KEEP_GARBAGE = False  # a probe carries a byte, for peers that answer to nothing else

# TCP's congestion control (tcp/cc.py), and ECN (tcp/ecn.py)
TCP_CC = "newreno"  # or "cubic" (RFC 9438); tcp.congestion() chooses for one connection
TCP_IW = 10  # the initial window, in segments (RFC 6928)
TCP_ABC = True  # the window grows by bytes acknowledged (RFC 3465), or else by ACKs
TCP_ECN = 1  # RFC 3168: 0 off, 1 when the peer asks, 2 ask as well

from .without import *  # a build that leaves out a protocol has its limits so


class Config:
    """The limits of one stack, as attributes."""


def load(user=None):
    """Return a Config of the defaults above, overridden by the attributes of `user`; or `user`
    itself, if it has all of them.

    Raises ValueError for an upper-case name that is no limit, and for limits that contradict each
    other; the message names the remedy. Allocates; for set-up.
    """
    cfg = Config()
    names = [k for k in globals() if k.isupper() and k[0] != "_"]
    for k in names:
        setattr(cfg, k, globals()[k])
    for k in dir(user) if user is not None else ():
        if k.isupper() and k[0] != "_":
            if k not in names:
                raise ValueError("config: no limit is called %s; see stack/config.py" % k)
            setattr(cfg, k, getattr(user, k))
    for test, remedy in _RULES:
        if not test(cfg):
            raise ValueError("config: " + remedy)
    if all(hasattr(user, k) for k in names):
        return user  # complete, as config_tiny is: a copy would take memory
    return cfg


_RULES = (
    (lambda c: c.PBUF_POOL_BUFSIZE % 4 == 0, "make PBUF_POOL_BUFSIZE a multiple of 4"),
    (
        lambda c: c.PBUF_POOL_BUFSIZE >= c.TCP_MSS + 2 + 14 + 40 + 4,
        "PBUF_POOL_BUFSIZE holds no TCP_MSS: raise it to TCP_MSS + 60, or lower TCP_MSS",
    ),
    (
        lambda c: c.PBUF_RAM_BUFSIZE >= 120,
        "raise PBUF_RAM_BUFSIZE to 120, to hold all headers",
    ),
    (lambda c: c.PBUF_POOL_SIZE >= 2, "raise PBUF_POOL_SIZE to 2 or more"),
    (
        lambda c: min(c.IP6_ADDRS, c.IP6_PREFIXES, c.IP6_ROUTERS, c.ND_TABLE_SIZE) > 0,
        "raise IP6_ADDRS, IP6_PREFIXES, IP6_ROUTERS and ND_TABLE_SIZE to 1 or more",
    ),
    (lambda c: c.IP6_GROUPS > c.IP6_ADDRS, "raise IP6_GROUPS above IP6_ADDRS"),
    (lambda c: c.IP6_EXTENSIONS >= 1, "raise IP6_EXTENSIONS to 1 or more"),
    (
        lambda c: c.TCP_WND <= (c.PBUF_POOL_SIZE - 1) * c.TCP_MSS,
        "TCP_WND is more than the receive pool holds: lower it, or raise PBUF_POOL_SIZE",
    ),
    (
        lambda c: c.TCP_WND <= 65535 or (c.TCP_WINDOW_SCALE and not c.TCP_TINY),
        "TCP_WND needs window scaling above 65535: lower it, or set TCP_WINDOW_SCALE",
    ),
    (lambda c: c.TCP_WND >= c.TCP_MSS, "TCP_WND must hold a segment: raise it to TCP_MSS"),
    (lambda c: c.TCP_MSS >= 88, "raise TCP_MSS to 88 or more"),
    (
        lambda c: c.TCP_SND_QUEUELEN <= c.NUM_TCP_SEG,
        "TCP_SND_QUEUELEN is above NUM_TCP_SEG: lower it, or raise NUM_TCP_SEG",
    ),
    (
        lambda c: c.TCP_HASH_SIZE & (c.TCP_HASH_SIZE - 1) == 0 and c.TCP_HASH_SIZE > 0,
        "make TCP_HASH_SIZE a power of two",
    ),
    (lambda c: 0 <= c.TCP_FASTOPEN <= 3, "TCP_FASTOPEN is 0, 1 (client), 2 (server) or 3 (both)"),
    (
        lambda c: c.TCP_FASTOPEN_CACHE > 0,
        "raise TCP_FASTOPEN_CACHE to 1 or more, or set TCP_FASTOPEN to 0",
    ),
    (
        lambda c: 0 < c.TCP_FASTOPEN_KEY_MS < 1 << 28,
        "TCP_FASTOPEN_KEY_MS must be above 0 and below 3 days",
    ),
    (
        lambda c: c.TCP_SYN_COOKIES in (0, 1, 2),
        "TCP_SYN_COOKIES is 0 (off), 1 (when there is no room) or 2 (always)",
    ),
    (lambda c: c.TCP_CC in ("newreno", "cubic"), 'TCP_CC is "newreno" or "cubic"'),
    (lambda c: 1 <= c.TCP_IW <= 10, "TCP_IW must be 1 to 10 segments (RFC 6928)"),
    (lambda c: c.TCP_ECN in (0, 1, 2), "TCP_ECN is 0 (off), 1 (when asked) or 2 (ask as well)"),
    (
        lambda c: c.IP_REASS_PBUFS > 0,
        "raise IP_REASS_PBUFS to 1 or more, or set IP_REASS_MAX to 0",
    ),
    (lambda c: 0 < c.IP_REASS_AGE < 1 << 28, "IP_REASS_AGE must be above 0 and below 3 days"),
    (lambda c: c.DHCP_TRIES > 0, "raise DHCP_TRIES to 1 or more"),
    (
        lambda c: 0 < c.DHCP_TEXT < 256 and c.DHCP_MAX_DNS > 0 and c.DHCP_MAX_NTP > 0,
        "DHCP_TEXT is 1 to 255 bytes, DHCP_MAX_DNS and DHCP_MAX_NTP are 1 or more",
    ),
    (lambda c: 0 < c.DHCPD_LEASES < 254, "DHCPD_LEASES must be 1 to 253"),
    (lambda c: c.PMTU_TABLE_SIZE > 0, "raise PMTU_TABLE_SIZE to 1 or more"),
    (lambda c: c.PMTU_MIN >= 128, "raise PMTU_MIN to 128 or more"),
    (lambda c: 0 < c.PMTU_MAX_AGE < 1 << 28, "PMTU_MAX_AGE must be above 0 and below 3 days"),
    (
        lambda c: all(mtu >= c.PMTU_MIN for mtu in c.TCP_BLACKHOLE_MTU),
        "raise TCP_BLACKHOLE_MTU to PMTU_MIN or more",
    ),
    (lambda c: c.IGMP_GROUPS > 0, "raise IGMP_GROUPS to 1 or more"),
    (lambda c: 1 <= c.DNS_SERVERS <= 8, "DNS_SERVERS must be 1 to 8"),
    (lambda c: c.DNS_QUERIES > 0, "raise DNS_QUERIES to 1 or more"),
    (
        lambda c: 0 < c.DNS_TIMEOUT << c.DNS_ROUNDS < 1 << 20 and c.DNS_ROUNDS > 0,
        "DNS_TIMEOUT << DNS_ROUNDS must be above 0 and below 17 minutes",
    ),
    (
        lambda c: c.DNS_EDNS_SIZE == 0 or 512 <= c.DNS_EDNS_SIZE <= 4096,
        "DNS_EDNS_SIZE is 0 or 512 to 4096",
    ),
    (
        lambda c: c.DNS_TCP_SIZE == 0 or 512 <= c.DNS_TCP_SIZE <= 65535,
        "DNS_TCP_SIZE is 0 or 512 to 65535",
    ),
    (lambda c: 3 <= c.DNS_CACHE_NAME <= 255, "DNS_CACHE_NAME must be 3 to 255 bytes"),
    (
        lambda c: 0 <= c.DNS_TTL_MAX <= 259_200 and 0 <= c.DNS_NEGATIVE_TTL_MAX <= 259_200,
        "DNS_TTL_MAX and DNS_NEGATIVE_TTL_MAX are seconds, at most 259200: three days",
    ),
    (
        lambda c: 0 <= c.MDNS_SERVICES <= 4 and c.MDNS_QUERIES >= 0 and c.MDNS_SEEN >= 0,
        "MDNS_SERVICES is 0 to 4, MDNS_QUERIES and MDNS_SEEN are 0 or more",
    ),
    (
        lambda c: 1_000 <= c.MDNS_TIMEOUT < 1 << 20,
        "MDNS_TIMEOUT must be 1000 ms or more and below 17 minutes",
    ),
    (lambda c: c.SNTP_SERVERS > 0, "raise SNTP_SERVERS to 1 or more"),
    (
        lambda c: c.SNTP_START_MAX > 0 and 1_000 <= c.SNTP_TIMEOUT <= c.SNTP_INTERVAL,
        "raise SNTP_START_MAX to 1 ms, SNTP_TIMEOUT to 1000 ms or more",
    ),
    (
        lambda c: 15_000 <= c.SNTP_INTERVAL < 1 << 28,
        "SNTP_INTERVAL must be 15000 ms or more (RFC 4330 section 10) and below 3 days",
    ),
    (lambda c: c.TCP_CHALLENGES_PER_S > 0, "raise TCP_CHALLENGES_PER_S to 1 or more"),
    (
        lambda c: 0 < c.TCP_KEEP_IDLE <= 1 << 28 and 0 < c.TCP_KEEP_INTVL <= 1 << 28,
        "TCP_KEEP_IDLE and TCP_KEEP_INTVL must be above 0 and at most 2^28 ms: three days",
    ),
    (
        lambda c: 0 < c.TCP_UTO_MIN <= c.TCP_UTO_MAX <= 1 << 28,
        "TCP_UTO_MIN must be above 0, TCP_UTO_MAX not below it and at most 2^28 ms",
    ),
    (lambda c: c.TCP_TIME_WAIT_MAX >= 0, "TCP_TIME_WAIT_MAX is 0 (no limit) or more"),
    (lambda c: c.TCP_KEEP_CNT >= 1, "raise TCP_KEEP_CNT to 1 or more"),
    (lambda c: 0 < c.TCP_DELACK < 500, "TCP_DELACK must be above 0 and below 500 ms (RFC 1122)"),
)
