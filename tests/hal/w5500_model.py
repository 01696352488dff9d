"""A W5500 at the level of bytes on its SPI bus, written from its datasheet (1.0.9), with socket 0
in MACRAW mode only. Runs on every interpreter, and allocates nothing once it is made.

    chip = Chip()
    driver = W5500(chip, chip.cs, MAC, chip.rst, chip.irq)

It is strict: what the datasheet does not allow, or leaves open, is an AssertionError. The far end
of its cable is `cable`, a driver such as a port of hal.wire; without one, receive(frame) is what
arrives, and `sent` what was sent (set it to None to forget that).
"""

from stack import pbuf

COMMON, SOCKET, TX, RX = 0, 1, 2, 3  # blocks (the upper five bits of the control byte)
MR, SHAR, SIMR, PHYCFGR, VERSIONR = 0x00, 0x09, 0x18, 0x2E, 0x39
S_MR, CR, IR, SR, RXSIZE, TXSIZE, IMR = 0x00, 0x01, 0x02, 0x03, 0x1E, 0x1F, 0x2C
FSR, TX_RD, TX_WR, RSR, RX_RD, RX_WR = 0x20, 0x22, 0x24, 0x26, 0x28, 0x2A
OPEN, CLOSE, SEND, RECV = 0x01, 0x10, 0x20, 0x40
SENDOK, RECEIVED = 0x10, 0x04
MACRAW, MFEN, MMB = 0x04, 0x80, 0x20
SOCK_MACRAW = 0x42
SIZES = (RXSIZE, TXSIZE)
POINTERS = (TX_RD, TX_WR, RX_RD, RX_WR)
COMMON_WRITABLE = (MR, SIMR) + tuple(range(SHAR, SHAR + 6))
SOCKET_WRITABLE = (S_MR, CR, IR, RXSIZE, TXSIZE, TX_WR, TX_WR + 1, RX_RD, RX_RD + 1, IMR)


class Chip:
    """The chip, its bus, and its pins.

    start       where the rings' pointers stand after OPEN
    link        PHYCFGR's lower bits: 1 link, 2 100 Mbit/s, 4 full duplex
    slow        how often IR is read until a frame has been sent; None: it never is
    scramble    each so many-th frame gets a length without sense
    tear        a frame that arrives after `tear_in` more bytes of RX_RSR have been read
    dead        what every byte reads as, if the chip does not answer
    """

    def __init__(self, start=0xFFF0, version=4):
        self.start = start
        self.version = version
        self.link = 7
        self.slow = 2
        self.tear = self.dead = self.cable = None
        self.tear_in = 0
        self.stuck = False  # it does not open
        self.scramble = self.frames = 0
        self.sent = []
        self.lost = self.resets = 0
        self.selected = False
        self.common = bytearray(0x3A)
        self.sockets = [bytearray(0x3A) for _ in range(8)]
        self.tx = bytearray(0x4000)
        self.rx = bytearray(0x4000)
        self._reset()
        self.out = pbuf.Pool(1, 1536, pbuf.RAM)
        self.inbox = pbuf.Pool(4, 1536, pbuf.POOL)

    def plug(self, cable):
        """Join the chip to `cable`, a driver."""
        self.cable = cable
        cable.start(self.inbox)

    def idle(self):
        """Assert that no transaction is open, and that its own buffers are free."""
        assert not self.selected
        for pool in (self.inbox, self.out):
            assert pool.avail == pool.size

    # Pins and bus

    def cs(self, level):
        """CSn."""
        if level == 0:
            assert not self.selected, "selected twice"
            self._arrive()
            self.pos = 0
        else:
            assert not self.selected or self.pos > 3, "a transaction of %d bytes" % self.pos
        self.selected = level == 0

    def power_dip(self):
        """The chip forgets all."""
        self._reset()

    def rst(self, level):
        """RSTn."""
        self._reset()
        self.resets += 1
        self.held = level == 0

    def irq(self):
        """INTn: low while S0_IR has a bit that both masks let through."""
        self._arrive()
        return 0 if self.common[SIMR] & 1 and self.s0[IR] & self.s0[IMR] else 1

    def write(self, buf):
        for i in range(len(buf)):
            self._byte(buf[i])

    def readinto(self, buf):
        for i in range(len(buf)):
            buf[i] = self._byte(0)

    def write_readinto(self, out, buf):
        assert len(out) == len(buf)
        for i in range(len(out)):
            buf[i] = self._byte(out[i])

    def _byte(self, b):
        assert self.selected, "a byte, and CS is high"
        if self.dead is not None or self.held:
            self.pos += 1
            return self.dead or 0
        if self.pos == 0:
            self.address = b << 8
        elif self.pos == 1:
            self.address |= b
        elif self.pos == 2:
            assert b & 3 == 0, "only the variable length mode works with CS"
            self.block = b >> 3
            self.writing = b & 4
            assert self.block == 0 or self.block & 3, "block %d is reserved" % self.block
        else:
            at = self.address
            self.address = (at + 1) & 0xFFFF
            self.pos += 1
            if not self.writing:
                return self._load(at)
            self._store(at, b)
            return 0
        self.pos += 1
        return 1 if self.pos == 1 else self.pos  # as the datasheet's figures show

    # Registers

    def _reset(self):
        for s in self.sockets:
            for i in range(len(s)):
                s[i] = self.common[i] = 0
            s[RXSIZE] = s[TXSIZE] = 2
        self.common[VERSIONR] = self.version
        self.s0 = self.sockets[0]
        self.held = self.sending = False
        self.busy = self.resetting = self.left = self.written = 0
        self.rx_rd = self.rx_wr = 0  # the chip's own, which RECV and OPEN move

    def _load(self, at):
        kind = self.block & 3
        n = self.block >> 2
        if self.block == COMMON:
            if at == MR and self.resetting:
                self.resetting -= 1
                return 0x80
            if at == PHYCFGR:
                return 0xB8 | self.link
            return self.common[at]
        if kind == RX:
            ahead = (at - self.rx_rd) & 0xFFFF
            assert n == 0 and ahead < self._received(), "nothing has been received there"
            return self.rx[at & 0x3FFF]
        assert kind == SOCKET and n == 0, "read of block %d" % self.block
        s = self.s0
        if at == CR and self.busy:
            self.busy -= 1
            if not self.busy:
                s[CR] = 0
        if at == IR and self.sending and self.slow is not None:
            self.left -= 1
            if self.left <= 0:
                self.sending = False
                s[IR] |= SENDOK
        if at == RSR or at == RSR + 1:
            size = self._received()
            self.tear_in -= 1
            if self.tear_in == 0:
                self.receive(self.tear)
            return size >> 8 if at == RSR else size & 0xFF
        return s[at]

    def _store(self, at, b):
        kind = self.block & 3
        n = self.block >> 2
        s = self.sockets[n]
        if self.block == COMMON:
            assert at in COMMON_WRITABLE, "write to 0x%04x" % at
            self.common[at] = b
            if at == MR and b & 0x80:
                self._reset()
                self.resetting = 2
        elif kind == TX:
            assert n == 0
            if s[SR] != SOCK_MACRAW:
                return
            used = (self._word(TX_WR) - self._word(TX_RD)) & 0xFFFF if self.sending else 0
            assert (at - self._word(TX_WR)) & 0xFFFF == self.written, "a gap in the TX buffer"
            self.written += 1
            assert used + self.written <= 0x4000, "the TX buffer is full"
            self.tx[at & 0x3FFF] = b
        else:
            assert kind == SOCKET, "write to the RX buffer"
            assert at in SOCKET_WRITABLE, "write to 0x%04x of a socket" % at
            assert n == 0 or at in SIZES, "socket %d is not in use" % n
            if at == IR:
                s[IR] &= ~b & 0xFF
            elif at == CR:
                self._command(b)
            else:
                s[at] = b

    def _word(self, at):
        return self.s0[at] << 8 | self.s0[at + 1]

    def _set_word(self, at, value):
        self.s0[at] = value >> 8 & 0xFF
        self.s0[at + 1] = value & 0xFF

    def _received(self):
        return (self.rx_wr - self.rx_rd) & 0xFFFF

    # Commands

    def _command(self, command):
        s = self.s0
        assert s[CR] == 0, "a command before the last one was taken"
        s[CR] = command
        self.busy = 2
        if command == OPEN:
            self._open(s)
        elif command == CLOSE:
            assert not self.sending or self.slow is None, "a frame is cut off"
            s[SR] = 0
            self.sending = False
        elif command == SEND:
            if s[SR] == SOCK_MACRAW:
                self._send(s)
        else:
            assert command == RECV
            self._recv()

    def _open(self, s):
        for x in self.sockets:
            size = 16 if x is s else 0
            assert x[RXSIZE] == x[TXSIZE] == size, "16 KB are not all of socket 0's"
        assert s[SR] == 0, "open already"
        assert s[S_MR] & 15 == MACRAW
        if self.stuck:
            return
        s[SR] = SOCK_MACRAW
        self.rx_rd = self.rx_wr = self.start
        for at in POINTERS:
            self._set_word(at, self.start)
        self.written = 0

    def _send(self, s):
        assert not self.sending, "SEND before the last frame was sent"
        assert not s[IR] & SENDOK, "SENDOK is still set"
        first = self._word(TX_RD)
        n = (self._word(TX_WR) - first) & 0xFFFF
        assert n == self.written and 60 <= n <= 1514, "a frame of %d, %d" % (n, self.written)
        self.written = 0
        self._set_word(TX_RD, first + n)
        self.sending = True
        self.left = self.slow
        p = pbuf.alloc(self.out, 0, n)
        for i in range(n):
            p.buf[i] = self.tx[(first + i) & 0x3FFF]
        if self.cable is not None:
            self.cable.tx(p)
        elif self.sent is not None:
            self.sent.append(bytes(p.buf[:n]))
        pbuf.free(p)

    def _recv(self):
        to = self._word(RX_RD)
        at = self.rx_rd
        while at != to:
            size = self.rx[at & 0x3FFF] << 8 | self.rx[(at + 1) & 0x3FFF]
            assert (to - at) & 0xFFFF >= size > 2, "RX_RD is no frame's start"
            at = (at + size) & 0xFFFF
        self.rx_rd = to

    # The cable

    def _arrive(self):
        cable = self.cable
        while cable is not None:
            p = cable.rx()
            if p is None:
                break
            self.receive(p.buf, p.off, p.len)
            pbuf.free(p)

    def receive(self, buf, off=0, n=None):
        """The frame of `n` bytes at buf[off] arrives."""
        n = len(buf) - off if n is None else n
        s = self.s0
        if s[SR] != SOCK_MACRAW or not self._wanted(buf, off, s[S_MR]):
            return
        if self._received() + 2 + n > 0x4000:
            self.lost += 1
            return
        at = self.rx_wr
        self.frames += 1
        bad = 0x80 if self.scramble and self.frames % self.scramble == 0 else 0
        self.rx[at & 0x3FFF] = (n + 2) >> 8 | bad
        self.rx[(at + 1) & 0x3FFF] = (n + 2) & 0xFF
        for i in range(n):
            self.rx[(at + 2 + i) & 0x3FFF] = buf[off + i]
        self.rx_wr = (at + 2 + n) & 0xFFFF
        s[IR] |= RECEIVED

    def _wanted(self, buf, off, mode):
        if not mode & MFEN:
            return True
        if buf[off] & 1:
            for i in range(6):
                if buf[off + i] != 0xFF:
                    return not mode & MMB
            return True
        for i in range(6):
            if buf[off + i] != self.common[SHAR + i]:
                return False
        return True
