"""The serial console of a machine that runs MicroPython.

A port is whatever pyserial opens: "/dev/ttyACM0", a pty, or "socket://127.0.0.1:4321" (QEMU), so
a real board and an emulated one are the same here. mpremote does the raw REPL's protocol.

A Console is either at its terminal (`read`, `expect`, `readline`, `send`, `interrupt`,
`interactive`), where the running program and the friendly REPL are, or in the raw REPL (`exec`,
`soft_reset`). Each method changes over by itself.
"""

import contextlib
import io
import os
import select
import struct
import sys
import time

import serial
from mpremote.transport import TransportError
from mpremote.transport_serial import SerialTransport

PROMPT = ">>> "
QUIT_KEYS = b"\x1d\x18"  # Ctrl-] and Ctrl-X
_CTRL_C = b"\x03"
_CTRL_D = b"\x04"
_LEAVE_RAW = b"\r\x02"
_QUIET_S = 0.5  # a machine that is silent for so long has answered what was piped in
_CHUNK = 2048  # of a file that is written; it takes some times as much of the machine's heap
_INTERRUPT_S = 0.3  # how long to wait for a prompt before Ctrl-C is sent again


class ConsoleError(Exception):
    """The console did not do what was asked: no answer, or the line is gone."""


class DeviceError(Exception):
    """The program raised. `output` is what it had printed, `traceback` the device's traceback."""

    def __init__(self, output, traceback):
        super().__init__(traceback.strip())
        self.output = output
        self.traceback = traceback


@contextlib.contextmanager
def _plain_errors(what):
    """Turn what pyserial and mpremote raise into ConsoleError."""
    try:
        yield
    except (TransportError, serial.SerialException, OSError, struct.error) as e:
        raise ConsoleError(f"{what}: {e}") from e


class Console:
    """The console at `port`. `timeout` is the longest silence, in seconds, that any step accepts
    unless it is told otherwise. Raises ConsoleError if the port cannot be opened."""

    def __init__(self, port, baudrate=115200, timeout=10):
        self.port = port
        self.timeout = timeout
        self._text = b""  # received at the terminal, not yet asked for
        with _plain_errors(f"cannot open the console at {port}"):
            self._link = SerialTransport(port, baudrate, timeout=timeout)
        self._serial = self._link.serial

    def close(self):
        """Close the port. What runs on the machine goes on."""
        with contextlib.suppress(serial.SerialException, OSError):
            if self._link.in_raw_repl:
                self._link.exit_raw_repl()
            self._link.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    # At the terminal

    def fileno(self):
        """Return a file descriptor that is readable when text has arrived."""
        return self._serial.fileno()

    def send(self, data):
        """Type bytes, or a str as UTF-8."""
        self._leave_raw()
        with _plain_errors("cannot send to the console"):
            self._serial.write(data.encode() if isinstance(data, str) else data)

    def read(self, timeout=0):
        """Return what has arrived, waiting up to `timeout` seconds for the first of it."""
        return self._take(timeout).decode(errors="replace")

    def expect(self, text, timeout=None):
        """Read up to `text` and return all that was read, `text` included. Raises ConsoleError,
        with what came instead, if it does not come within `timeout` seconds."""
        wanted = text.encode()
        timeout = self.timeout if timeout is None else timeout
        end = time.monotonic() + timeout
        while wanted not in self._text:
            left = end - time.monotonic()
            if left <= 0:
                came = self._text.decode(errors="replace")
                raise ConsoleError(
                    f"no {text!r} from the console in {timeout} s; it said {came!r}"
                )
            self._receive(left)
        at = self._text.index(wanted) + len(wanted)
        got, self._text = self._text[:at], self._text[at:]
        return got.decode(errors="replace")

    def readline(self, timeout=None):
        """Return the next line, without its end."""
        return self.expect("\n", timeout).rstrip("\r\n")

    def interrupt(self, timeout=None):
        """Stop the program with Ctrl-C, as often as it takes, and return what came up to the
        REPL's prompt. A machine that has just been reset is caught too, before its program runs
        or after."""
        self._leave_raw()
        timeout = self.timeout if timeout is None else timeout
        end = time.monotonic() + timeout
        came = ""
        keys = _CTRL_C
        while time.monotonic() < end:
            self.send(keys)
            keys = _CTRL_C + _LEAVE_RAW  # it may have been left there
            with contextlib.suppress(ConsoleError):
                came += self.expect(PROMPT, _INTERRUPT_S)
                self._drain()
                return came
        raise ConsoleError(
            f"no prompt after Ctrl-C in {timeout} s; it said {came + self.read()!r}"
        )

    def reboot(self):
        """Restart the interpreter and its main.py, from the REPL. (Compare soft_reset().)"""
        self.interrupt()
        self.send(_CTRL_D)
        self.expect("soft reboot\r\n")

    def interactive(self, quit_keys=QUIT_KEYS, stdin=None, stdout=None):
        """Join this process's terminal to the console until one of `quit_keys` is typed or the
        input ends. Works when the input is no terminal, too. The terminal's mode is restored."""
        stdin = (stdin or sys.stdin).fileno()
        stdout = (stdout or sys.stdout).fileno()
        self._leave_raw()
        typed = os.isatty(stdin)
        with _keys_at_once(stdin):
            while True:
                _write_all(stdout, self._take())
                ready, _, _ = select.select([stdin, self], [], [])
                if stdin in ready:
                    keys = os.read(stdin, 256)
                    at = min((keys.index(k) for k in quit_keys if k in keys), default=len(keys))
                    self.send(keys[:at] if typed else keys[:at].replace(b"\n", b"\r"))
                    if not keys or at < len(keys):
                        break
            while not typed and (answer := self._take(_QUIET_S)):
                _write_all(stdout, answer)

    # In the raw REPL

    def exec(self, source, timeout=None, echo=None):
        """Run `source` (str or bytes) on the machine, and return what it printed. `timeout` is
        the longest silence in seconds; `echo`, if given, is called with each byte as it comes.

        The interpreter keeps its globals between calls; soft_reset() clears them. Raises
        DeviceError if the program raises, ConsoleError if the machine does not answer.
        """
        if not self._link.in_raw_repl:
            self.interrupt()
            self._enter_raw()
        printed = bytearray()

        def keep(byte):
            if byte != _CTRL_D:
                printed.extend(byte)
                if echo is not None:
                    echo(byte)

        timeout = self.timeout if timeout is None else timeout
        try:
            with _plain_errors("the machine did not finish what it was to run"):
                _, error = self._link.exec_raw(source, timeout, keep)
        except BaseException as e:
            self._link.in_raw_repl = False
            e.add_note(f"it printed {bytes(printed)!r}")
            raise
        text = printed.decode(errors="replace").replace("\r\n", "\n")
        if error:
            raise DeviceError(text, error.decode(errors="replace").replace("\r\n", "\n"))
        return text

    def eval(self, expression, timeout=None):
        """Return what `repr(expression)` is on the machine, as a str."""
        return self.exec(f"print(repr({expression}))", timeout).rstrip("\n")

    def put(self, path, data):
        """Write the bytes `data` to file `path` of the machine, whose folder exists."""
        with _plain_errors(f"cannot write {path}"):
            self._link.fs_writefile(path, data, _CHUNK)

    def soft_reset(self):
        """Restart the interpreter: an empty heap, no globals, and main.py does not run."""
        if not self._link.in_raw_repl:
            self.interrupt()
        self._enter_raw(soft_reset=True)

    def _enter_raw(self, soft_reset=False):
        said = (
            io.StringIO()
        )  # mpremote prints what the machine sent when it is not what it expects
        try:
            with contextlib.redirect_stdout(said), _plain_errors("no raw REPL"):
                self._link.enter_raw_repl(soft_reset, self.timeout)
        except ConsoleError as e:
            e.add_note(f"the machine sent {said.getvalue().strip()}")
            raise
        self._text = b""

    def _leave_raw(self):
        if self._link.in_raw_repl:
            with _plain_errors("cannot leave the raw REPL"):
                self._link.exit_raw_repl()
            self.expect(PROMPT)

    def _drain(self):
        while self._receive(0.02):
            pass
        self._text = b""

    def _take(self, timeout=0):
        self._receive(timeout)
        text, self._text = self._text, b""
        return text

    def _receive(self, timeout):
        """Move what has arrived into `_text`, waiting `timeout` seconds for the first of it.
        Return whether there was anything."""
        before = len(self._text)
        with _plain_errors("the console is gone"):
            if timeout > 0:
                select.select([self], [], [], timeout)
            while waiting := self._serial.in_waiting:
                self._text += self._serial.read(waiting)
        return len(self._text) > before


@contextlib.contextmanager
def _keys_at_once(fd):
    """Have the terminal hand over each key as it is typed, Ctrl-C included."""
    if not os.isatty(fd):
        yield
        return
    import termios
    import tty

    before = termios.tcgetattr(fd)
    tty.setraw(fd)
    try:
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


def _write_all(fd, data):
    while data:
        data = data[os.write(fd, data) :]
