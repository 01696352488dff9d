"""QEMU's start and end: its errors are shown, and nothing of it is left behind."""

import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import pytest

from emulator import ConsoleError, EmulatorError, Machine

pytestmark = pytest.mark.emulator


def is_running(marker):
    """Is there a QEMU with `marker` in its command line?"""
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes()
        except OSError:
            continue
        if line.startswith(b"qemu-system-arm") and os.fsencode(marker) in line:
            return True
    return False


def wait_until(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def run(*args, **options):
    """Run `python -m emulator` to its end."""
    line = [sys.executable, "-m", "emulator", *map(str, args)]
    return subprocess.run(line, capture_output=True, text=True, timeout=60, **options)


def test_no_firmware_says_how_to_make_it():
    with pytest.raises(EmulatorError, match="no firmware at /nothing.*make firmware"):
        Machine(elf="/nothing").__enter__()


def test_bad_firmware_shows_qemus_error():
    with pytest.raises(EmulatorError, match="test_qemu.py is no ELF file"):
        Machine(elf=__file__).__enter__()
    with pytest.raises(EmulatorError, match="Lockup|prints nothing|loading"):
        Machine(elf=sys.executable).__enter__()


def test_port_in_use_shows_qemus_error():
    with socket.create_server(("127.0.0.1", 0)) as s:
        port = s.getsockname()[1]
        with pytest.raises(EmulatorError, match="Could not set up host forwarding.*\n.*in use"):
            Machine(hostfwd=[(port, 80)]).__enter__()


def test_no_qemu_says_what_to_install(monkeypatch):
    monkeypatch.setenv("PATH", "/nothing")
    with pytest.raises(EmulatorError, match="apt install qemu-system-arm"):
        Machine().__enter__()


def test_bad_option_shows_qemus_error():
    with pytest.raises(EmulatorError, match="-no-such-option: invalid option"):
        Machine(extra=["-no-such-option"]).__enter__()


def test_bad_net_is_refused():
    with pytest.raises(EmulatorError, match="net='wire'"):
        Machine(net="wire").__enter__()
    with pytest.raises(EmulatorError, match="Connection refused"):
        Machine(net="stream:127.0.0.1:1").__enter__()


def test_end_of_qemu_is_told():
    with pytest.raises(ConsoleError) as caught:
        with Machine(net="none") as m:
            m.process.kill()
            m.process.wait()
            m.console.exec("pass")
    assert "QEMU had ended by itself" in caught.value.__notes__[-1]


def test_udp_is_forwarded():
    with Machine(hostfwd=[(0, 7, "udp")]) as m:
        m.console.soft_reset()
        m.console.exec("import board\nfrom examples import udp_echo\nnet = board.net()")
        m.console.exec("udp_echo.start(net)\nboard.background(net)")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(1)
            s.connect(("127.0.0.1", m.ports[7, "udp"]))
            for n in (1, 64, 1472):
                for _ in range(5):  # UDP may lose one
                    s.send(b"x" * n)
                    try:
                        assert s.recv(2000) == b"x" * n
                        break
                    except TimeoutError:
                        continue
                else:
                    pytest.fail(f"no echo of {n} bytes")


def test_pcap_gets_the_frames(tmp_path):
    from scapy.all import ARP, rdpcap

    with Machine(pcap=tmp_path / "a,b.pcap") as m:
        m.console.expect("Serving http://")
    assert any(ARP in frame for frame in rdpcap(str(tmp_path / "a,b.pcap")))


def test_icount_repeats_exactly():
    counts = []
    source = (
        "import mps2, time\nmps2.wait(1)\nt = time.ticks_cpu()\nfor i in range(100): pass\n"
        "print(time.ticks_cpu() - t)"
    )
    for _ in range(2):
        with Machine(net="none", icount=True) as m:
            m.console.soft_reset()
            m.console.exec("pass")
            counts.append(m.console.exec(source))
    assert abs(int(counts[0]) - int(counts[1])) <= 1


def test_seed_differs_unless_instructions_are_counted():
    def seed(**options):
        with Machine(net="none", **options) as m:
            m.console.soft_reset()
            return m.console.eval("__import__('uctypes').bytearray_at(0x21ffffe0, 32)")

    assert seed() != seed()


def test_demo_once():
    done = run("demo", "--once")
    assert done.returncode == 0, done.stderr
    assert "Serving http://10.0.2.15/" in done.stdout
    assert "Fetched http://127.0.0.1:" in done.stdout
    assert "Its title: lwpy" in done.stdout
    assert not done.stderr


def test_demo_ends_cleanly_with_ctrl_c(tmp_path):
    marker = tmp_path / "demo.pcap"
    line = [sys.executable, "-u", "-m", "emulator", "demo", "--pcap", marker]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as demo:
        for text in demo.stdout:
            if "Ctrl-C ends this" in text:
                break
        assert is_running(marker)
        demo.send_signal(signal.SIGINT)
        out, err = demo.communicate(timeout=10)
    assert demo.returncode == 0
    assert not err
    assert "Ended." in out
    assert not is_running(marker)


def test_qemu_ends_with_the_process_that_started_it(tmp_path):
    marker = tmp_path / "killed.pcap"
    line = [sys.executable, "-u", "-m", "emulator", "demo", "--pcap", marker]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as demo:
        for text in demo.stdout:
            if "Ctrl-C ends this" in text:
                break
        demo.kill()
    wait_until(lambda: not is_running(marker))


def test_repl_takes_piped_input():
    done = run("repl", input="6 * 7\nnet.pool.size\n")
    assert done.returncode == 0
    assert "42\n" in done.stdout.replace("\r", "")
    assert "16\n>>> " in done.stdout.replace("\r", "")


def test_run_shows_output_and_traceback(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("print(__name__)\n1 // 0\n")
    done = run("run", script)
    assert done.returncode == 1
    assert done.stdout == "__main__\n"
    assert "line 2" in done.stderr
    assert "ZeroDivisionError" in done.stderr


def test_errors_of_the_command_line(tmp_path):
    assert "no firmware" in run("demo", "--elf", tmp_path / "none").stderr
    assert "/dev/nothing" in run("repl", "--port", "/dev/nothing").stderr
    assert run("run", tmp_path / "none.py").returncode == 2


def test_serve_leaves_the_console_to_whoever_comes():
    line = [sys.executable, "-m", "emulator", "serve", "--net", "none"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as serve:
        port = serve.stdout.readline().strip().removeprefix("PORT=")
        for _ in range(2):
            assert "42\n" in run("repl", "--port", port, input="6 * 7\n").stdout.replace("\r", "")
        serve.send_signal(signal.SIGINT)
        assert "Ended." in serve.stdout.read()
