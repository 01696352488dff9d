"""What the tests of drivers on models of chips share. Runs on every interpreter."""

from stack import pbuf

MAC = b"\x02\x00\x00\x00\x00\x01"
GROUP = b"\x01\x00\x5e\x00\x00\xfb"


class Rig:
    """A chip and its driver, which is started, with pools of its own."""

    def __init__(self, chip, driver, bufsize=1536):
        self.chip = chip
        self.driver = driver
        self.pool = pbuf.Pool(4, bufsize, pbuf.POOL)
        self.ram = pbuf.Pool(4, 1536, pbuf.RAM)
        self.refs = pbuf.Pool(4, 0, pbuf.REF)
        self.driver.start(self.pool)

    def rx(self):
        """Return the next frame received, or None."""
        p = self.driver.rx()
        if p is None:
            return None
        assert p.off == pbuf.LEAD and p.len == p.tot_len and p.next is None and p.ref == 1
        data = bytes(p.buf[p.off : p.off + p.len])
        pbuf.free(p)
        return data

    def tx(self, *parts):
        """Send a chain: of bytes a REF pbuf, of (offset, bytes) a RAM pbuf."""
        head = None
        for part in parts:
            if isinstance(part, tuple):
                p = pbuf.alloc(self.ram, part[0], len(part[1]))
                pbuf.take(p, part[1], 0, len(part[1]))
            else:
                p = pbuf.reference(self.refs, part, 0, len(part))
            if head is None:
                head = p
            else:
                pbuf.cat(head, p)
        err = self.driver.tx(head)
        pbuf.free(head)
        return err

    def count(self, name):
        names, counters = self.driver.stats
        return counters[names.index(name)]

    def end(self):
        """Assert that nothing is left anywhere."""
        for pool in (self.pool, self.ram, self.refs):
            assert pool.avail == pool.size
        self.chip.idle()


def frame(n, dst=MAC, first=0):
    return dst + bytes((first + k) & 0xFF for k in range(n - 6))


def raised(error, fn, args, *words):
    """Assert that fn(*args) raises `error`, and that it says all of `words`."""
    try:
        fn(*args)
    except error as e:
        assert all(word in str(e) for word in words), str(e)
    else:
        raise AssertionError("no error")
