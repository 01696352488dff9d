"""A driver around a driver that loses, reorders and marks frames, or is slow to let go of them: a
bad line where the kernel has no netem, and what DMA does to pbufs. Runs on CPython and
MicroPython."""

from hal.faults import Random, mark
from stack.err import OK
from stack.pbuf import free, ref


class Faulty:
    """`loss` of 1000 frames are lost in either direction, `reorder` of 1000 received frames come
    after the next one. `mark_rx` and `mark_tx` of 1000 received and sent packets are marked CE, if
    ECN-capable. `drop`: the number of a sent frame that is lost. With `lazy` a sent frame stays
    with the driver until its next call."""

    def __init__(
        self, driver, loss=0, reorder=0, lazy=False, seed=1, mark_rx=0, mark_tx=0, drop=0
    ):
        self.driver = driver
        self.mac = driver.mac
        self.mtu = driver.mtu
        self.caps = driver.caps
        self.stats = driver.stats
        self.stream = driver.stream
        self.start = driver.start
        self.link = driver.link
        self.multicast = driver.multicast
        self.loss = loss
        self.reorder = reorder
        self.lazy = lazy
        self.mark_rx = mark_rx
        self.mark_tx = mark_tx
        self.until_drop = drop
        self.random = Random(seed)
        self.late = None  # a received frame that the next one overtakes
        self.sent = None  # a frame that is still being sent

    def rx(self):
        """Return the next frame that has not been lost."""
        self._finish()
        p = self.driver.rx()
        while p is not None:
            if self.random.below(1000) < self.mark_rx:
                mark(p.buf, p.off)
            if self.random.below(1000) < self.loss:
                free(p)
            elif self.late is None and self.random.below(1000) < self.reorder:
                self.late = p
            else:
                return p
            p = self.driver.rx()
        p = self.late
        self.late = None
        return p

    def tx(self, p):
        """Send `p`, or lose it."""
        self._finish()
        self.until_drop -= 1
        if self.until_drop == 0 or self.random.below(1000) < self.loss:
            return OK
        if self.random.below(1000) < self.mark_tx:
            mark(p.buf, p.off)
        if not self.lazy:
            return self.driver.tx(p)
        ref(p)
        self.sent = p
        return OK

    def _finish(self):
        if self.sent is not None:
            self.driver.tx(self.sent)
            free(self.sent)
            self.sent = None
