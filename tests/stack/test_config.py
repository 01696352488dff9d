"""stack/config.py. Runs on every interpreter."""

from stack import config


class Limits:
    """A user's own limits: attributes set by keyword."""

    def __init__(self, **limits):
        for name in limits:
            setattr(self, name, limits[name])


def remedy(**limits):
    """Return the message with which load() refuses `limits`."""
    try:
        config.load(Limits(**limits))
    except ValueError as e:
        return str(e)
    raise AssertionError("accepted: %r" % limits)


def test_load_defaults():
    cfg = config.load()
    names = [n for n in dir(config) if n.isupper() and n[0] != "_"]
    assert len(names) > 20
    for n in names:
        assert getattr(cfg, n) == getattr(config, n), n


def test_load_override_leaves_the_rest():
    cfg = config.load(Limits(IP_TTL=255, NUM_TCP_PCB=1))
    assert cfg.IP_TTL == 255 and cfg.NUM_TCP_PCB == 1
    assert cfg.NUM_UDP_PCB == config.NUM_UDP_PCB
    assert config.IP_TTL != 255
    assert config.load().IP_TTL == config.IP_TTL


def test_load_from_class():
    class Mine:
        IP_TTL = 7
        note = "lower-case names are the user's own"
        _PRIVATE = 1

    assert config.load(Mine).IP_TTL == 7


def test_load_from_module():
    assert config.load(config).TCP_MSS == config.TCP_MSS


def test_load_unknown_name():
    message = remedy(TCP_MMS=536)
    assert "TCP_MMS" in message and "stack/config.py" in message


def test_load_contradictions_name_the_remedy():
    for name, limits in (
        ("PBUF_POOL_BUFSIZE", {"PBUF_POOL_BUFSIZE": 1535}),
        ("TCP_MSS", {"PBUF_POOL_BUFSIZE": 1516}),
        ("PBUF_RAM_BUFSIZE", {"PBUF_RAM_BUFSIZE": 116}),
        ("PBUF_POOL_SIZE", {"PBUF_POOL_SIZE": 1, "TCP_WND": 0}),
        ("PBUF_POOL_SIZE", {"PBUF_POOL_SIZE": 4}),
        ("IP6_ADDRS", {"IP6_ADDRS": 0}),
        ("IP6_PREFIXES", {"IP6_PREFIXES": 0}),
        ("IP6_ROUTERS", {"IP6_ROUTERS": 0}),
        ("ND_TABLE_SIZE", {"ND_TABLE_SIZE": 0}),
        ("IP6_GROUPS", {"IP6_GROUPS": config.IP6_ADDRS}),
        ("IP6_EXTENSIONS", {"IP6_EXTENSIONS": 0}),
        ("TCP_WND", {"TCP_WND": 65536, "PBUF_POOL_SIZE": 64, "TCP_WINDOW_SCALE": False}),
        ("TCP_WND", {"TCP_WND": config.TCP_MSS - 1}),
        ("TCP_MSS", {"TCP_MSS": 87, "TCP_WND": 1000}),
        ("NUM_TCP_SEG", {"TCP_SND_QUEUELEN": config.NUM_TCP_SEG + 1}),
        ("TCP_HASH_SIZE", {"TCP_HASH_SIZE": 0}),
        ("TCP_HASH_SIZE", {"TCP_HASH_SIZE": 12}),
        ("TCP_FASTOPEN", {"TCP_FASTOPEN": 4}),
        ("TCP_FASTOPEN_CACHE", {"TCP_FASTOPEN_CACHE": 0}),
        ("TCP_FASTOPEN_KEY_MS", {"TCP_FASTOPEN_KEY_MS": 1 << 28}),
        ("TCP_SYN_COOKIES", {"TCP_SYN_COOKIES": 3}),
        ("TCP_CC", {"TCP_CC": "vegas"}),
        ("TCP_IW", {"TCP_IW": 0}),
        ("TCP_IW", {"TCP_IW": 11}),
        ("TCP_ECN", {"TCP_ECN": 3}),
        ("DHCPD_LEASES", {"DHCPD_LEASES": 0}),
        ("DHCPD_LEASES", {"DHCPD_LEASES": 254}),
        ("DHCP_TRIES", {"DHCP_TRIES": 0}),
        ("DHCP_TEXT", {"DHCP_TEXT": 0}),
        ("DHCP_TEXT", {"DHCP_TEXT": 256}),
        ("DHCP_MAX_DNS", {"DHCP_MAX_DNS": 0}),
        ("DHCP_MAX_NTP", {"DHCP_MAX_NTP": 0}),
        ("PMTU_TABLE_SIZE", {"PMTU_TABLE_SIZE": 0}),
        ("PMTU_MIN", {"PMTU_MIN": 127}),
        ("PMTU_MAX_AGE", {"PMTU_MAX_AGE": 0}),
        ("PMTU_MAX_AGE", {"PMTU_MAX_AGE": 1 << 28}),
        ("TCP_BLACKHOLE_MTU", {"TCP_BLACKHOLE_MTU": (1280, 551)}),
        ("IGMP_GROUPS", {"IGMP_GROUPS": 0}),
        ("DNS_SERVERS", {"DNS_SERVERS": 0}),
        ("DNS_SERVERS", {"DNS_SERVERS": 9}),
        ("DNS_QUERIES", {"DNS_QUERIES": 0}),
        ("DNS_TIMEOUT", {"DNS_TIMEOUT": 0}),
        ("DNS_TIMEOUT", {"DNS_TIMEOUT": 1 << 19}),
        ("DNS_ROUNDS", {"DNS_ROUNDS": 0}),
        ("DNS_EDNS_SIZE", {"DNS_EDNS_SIZE": 511}),
        ("DNS_EDNS_SIZE", {"DNS_EDNS_SIZE": 4097}),
        ("DNS_TCP_SIZE", {"DNS_TCP_SIZE": 511}),
        ("DNS_CACHE_NAME", {"DNS_CACHE_NAME": 2}),
        ("DNS_CACHE_NAME", {"DNS_CACHE_NAME": 256}),
        ("DNS_TTL_MAX", {"DNS_TTL_MAX": 259_201}),
        ("DNS_NEGATIVE_TTL_MAX", {"DNS_NEGATIVE_TTL_MAX": -1}),
        ("MDNS_SERVICES", {"MDNS_SERVICES": 5}),
        ("MDNS_QUERIES", {"MDNS_QUERIES": -1}),
        ("MDNS_SEEN", {"MDNS_SEEN": -1}),
        ("MDNS_TIMEOUT", {"MDNS_TIMEOUT": 999}),
        ("MDNS_TIMEOUT", {"MDNS_TIMEOUT": 1 << 20}),
        ("SNTP_SERVERS", {"SNTP_SERVERS": 0}),
        ("SNTP_START_MAX", {"SNTP_START_MAX": 0}),
        ("SNTP_TIMEOUT", {"SNTP_TIMEOUT": 999}),
        ("SNTP_INTERVAL", {"SNTP_INTERVAL": 14_999}),
        ("SNTP_INTERVAL", {"SNTP_INTERVAL": 1 << 28}),
        ("TCP_CHALLENGES_PER_S", {"TCP_CHALLENGES_PER_S": 0}),
        ("TCP_UTO_MIN", {"TCP_UTO_MIN": 0}),
        ("TCP_UTO_MIN", {"TCP_UTO_MIN": 2000, "TCP_UTO_MAX": 1999}),
        ("TCP_UTO_MAX", {"TCP_UTO_MAX": (1 << 28) + 1}),
        ("TCP_TIME_WAIT_MAX", {"TCP_TIME_WAIT_MAX": -1}),
        ("TCP_KEEP_IDLE", {"TCP_KEEP_IDLE": 0}),
        ("TCP_KEEP_IDLE", {"TCP_KEEP_IDLE": (1 << 28) + 1}),
        ("TCP_KEEP_INTVL", {"TCP_KEEP_INTVL": 0}),
        ("TCP_KEEP_INTVL", {"TCP_KEEP_INTVL": (1 << 28) + 1}),
        ("TCP_KEEP_CNT", {"TCP_KEEP_CNT": 0}),
        ("TCP_DELACK", {"TCP_DELACK": 0}),
        ("TCP_DELACK", {"TCP_DELACK": 500}),
    ):
        assert name in remedy(**limits), limits


def test_load_accepts_the_smallest():
    config.load(
        Limits(
            PBUF_POOL_SIZE=2,
            PBUF_POOL_BUFSIZE=148,
            PBUF_RAM_BUFSIZE=120,
            TCP_MSS=88,
            TCP_WND=88,
            TCP_HASH_SIZE=1,
            TCP_SND_QUEUELEN=1,
            NUM_TCP_SEG=1,
            TCP_DELACK=1,
            PMTU_TABLE_SIZE=1,
            PMTU_MIN=128,
            TCP_BLACKHOLE_MTU=(),
            TCP_CHALLENGES_PER_S=1,
            IGMP_GROUPS=1,
            DNS_SERVERS=1,
            DNS_QUERIES=1,
            DNS_TIMEOUT=1,
            DNS_ROUNDS=1,
            DNS_EDNS_SIZE=0,
            DNS_TCP_SIZE=0,
            DNS_CACHE_SIZE=0,
            DNS_CACHE_NAME=3,
            DNS_TTL_MAX=0,
            DNS_NEGATIVE_TTL_MAX=0,
            MDNS_SERVICES=0,
            MDNS_QUERIES=0,
            MDNS_SEEN=0,
            MDNS_TIMEOUT=1000,
            SNTP_SERVERS=1,
            SNTP_START_MAX=1,
            SNTP_TIMEOUT=1000,
            SNTP_INTERVAL=15_000,
        )
    )


def test_load_accepts_the_largest_window():
    assert config.load(Limits(TCP_WND=65535, PBUF_POOL_SIZE=64)).TCP_WND == 65535
