"""The console: the raw REPL, the terminal, and what happens when the machine does not answer."""

import os
import select
import threading
import time

import pytest

from emulator import Console, ConsoleError, DeviceError, Machine

pytestmark = pytest.mark.emulator


def test_exec_returns_what_is_printed(bare):
    assert bare.console.exec("for i in range(3): print(i)") == "0\n1\n2\n"
    assert bare.console.exec(b"print('\xc3\xa9')") == "é\n"


def test_exec_keeps_globals_until_a_soft_reset(bare):
    bare.console.exec("kept = 1")
    assert bare.console.eval("kept") == "1"
    bare.console.soft_reset()
    with pytest.raises(DeviceError, match="NameError"):
        bare.console.exec("kept")


def test_exec_raises_with_the_devices_traceback(bare):
    with pytest.raises(DeviceError, match="ZeroDivisionError") as caught:
        bare.console.exec("print('before')\n1 // 0")
    assert caught.value.output == "before\n"
    assert 'File "<stdin>", line 2' in caught.value.traceback


def test_exec_takes_a_long_source(bare):
    source = "n = 0\n" + "n += 1  # one more\n" * 3000 + "print(n)"
    assert bare.console.exec(source, timeout=60) == "3000\n"


def test_exec_echoes_as_it_comes(bare):
    echoed = []
    bare.console.exec("print('abc')", echo=echoed.append)
    assert b"".join(echoed) == b"abc\r\n"


def test_exec_gives_up_on_silence_and_recovers(bare):
    with pytest.raises(ConsoleError) as caught:
        bare.console.exec("print('so far')\nwhile True: pass", timeout=1)
    assert "so far" in caught.value.__notes__[0]
    assert bare.console.eval("6 * 7") == "42"


def test_terminal_talks_to_the_friendly_repl(bare):
    assert bare.console.interrupt().endswith(">>> ")
    bare.console.send("print('one\\ntwo')\r")
    assert bare.console.readline() == "print('one\\ntwo')"
    assert bare.console.readline() == "one"
    assert bare.console.expect(">>> ") == "two\r\n>>> "
    assert bare.console.read() == ""


def test_expect_says_what_came_instead(bare):
    bare.console.interrupt()
    bare.console.send("'something ' + 'else'\r")
    with pytest.raises(ConsoleError, match="something else"):
        bare.console.expect("what was hoped for", timeout=1)


def test_interrupt_stops_a_program(bare):
    bare.console.interrupt()
    bare.console.send("while True: pass\r\r")
    time.sleep(0.2)
    assert "KeyboardInterrupt" in bare.console.interrupt()


def test_interrupt_catches_a_machine_that_boots():
    with Machine(net="none") as m:
        assert m.console.eval("1 + 1") == "2"


def test_reboot_runs_main(machine):
    machine.console.reboot()
    machine.console.expect("Serving http://")


def test_interactive_passes_keys_until_the_quit_key(bare):
    keys_in, keys = os.pipe()
    shown, shown_in = os.pipe()
    bare.console.interrupt()
    os.write(keys, b"6 * 7\n")
    threading.Timer(1, os.write, (keys, b"\x1dnot sent")).start()
    with open(keys_in) as stdin, open(shown_in, "w") as stdout:
        bare.console.interactive(stdin=stdin, stdout=stdout)
    assert os.read(shown, 1000).startswith(b"6 * 7\r\n42\r\n>>> ")
    os.close(keys)
    os.close(shown)


def test_interactive_on_a_terminal_restores_it(bare):
    import termios

    master, slave = os.openpty()
    before = termios.tcgetattr(slave)
    threading.Timer(0.3, os.write, (master, b"6 * 7\r")).start()
    threading.Timer(1, os.write, (master, b"\x18")).start()
    with open(slave, closefd=False) as stdin, open(slave, "w", closefd=False) as stdout:
        bare.console.interactive(stdin=stdin, stdout=stdout)
    assert termios.tcgetattr(slave) == before
    assert b"42\r\n>>> " in os.read(master, 1000)
    os.close(master)
    os.close(slave)


def test_serial_port_works_as_the_socket_does(bare):
    """A pty stands for the serial port of a real board."""
    bare.console.interrupt()
    master, slave = os.openpty()
    done = threading.Event()

    def carry():
        while not done.is_set():
            if select.select([bare.console], [], [], 0.05)[0]:
                os.write(master, os.read(bare.console.fileno(), 256))

    def carry_back():
        while not done.is_set():
            os.write(bare.console.fileno(), os.read(master, 256))

    threads = [threading.Thread(target=t, daemon=True) for t in (carry, carry_back)]
    with Console(os.ttyname(slave)) as console:
        for t in threads:
            t.start()
        assert console.eval("6 * 7") == "42"
        with pytest.raises(DeviceError, match="ZeroDivisionError"):
            console.exec("1 // 0")
        console.soft_reset()
        assert console.exec("print('x' * 3000)") == "x" * 3000 + "\n"
        assert console.interrupt().endswith(">>> ")
        done.set()
        os.write(slave, b"\r")
    for t in threads:
        t.join(5)
    os.close(master)
    os.close(slave)


def test_port_that_is_not_there():
    with pytest.raises(ConsoleError, match="cannot open the console at /dev/nothing"):
        Console("/dev/nothing")
