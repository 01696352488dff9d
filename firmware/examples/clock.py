"""Set the board's clock (RFC 4330): the RTC where there is one; the time is printed, UTC.

On a PC: see firmware/boards/PC/board.py. SERVERS: the gateway's address, and names of the pool.
"""

from stack import dns, sntp

try:
    from machine import RTC
except ImportError:
    RTC = None

SERVERS = (b"pool.ntp.org",)
NAMESERVERS = ("10.0.2.3",)
_MONTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def start(net, servers=SERVERS, nameservers=NAMESERVERS, tell=None):
    """Keep the clock right. Allocates; for set-up."""
    dns.start(net, nameservers)
    sntp.start(net, servers, tell or set_clock)


def date(days):
    """Return (year, month, day) of the day so many days after 2000-01-01. Allocates."""
    year = 2000
    while days >= 365 + (year % 4 == 0 and year != 2100):
        days -= 365 + (year % 4 == 0 and year != 2100)
        year += 1
    month = 1
    for n in _MONTHS:
        n += month == 2 and year % 4 == 0 and year != 2100
        if days < n:
            break
        days -= n
        month += 1
    return year, month, days + 1


def set_clock(arg, days, seconds, ms):
    """It is so late. Allocates: do not lock the heap."""
    year, month, day = date(days)
    hour, minute, second = seconds // 3600, seconds // 60 % 60, seconds % 60
    print("%d-%02d-%02d %02d:%02d:%02d.%03d" % (year, month, day, hour, minute, second, ms))
    if RTC is not None:
        weekday = (days + 5) % 7  # 2000-01-01 was a Saturday; Monday is 0
        RTC().datetime((year, month, day, weekday, hour, minute, second, 0))


if __name__ == "__main__":
    import board

    net = board.net()
    start(net)
    board.run(net)
