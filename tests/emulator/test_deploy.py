"""lwpy goes onto a board that has MicroPython and an empty file system, and serves from there."""

import importlib
import pathlib
import re
import subprocess
import urllib.request

import pytest

from emulator import Machine
from emulator.qemu import BARE, FIRMWARE
from tests.board import test_board
from tests.interpreters import device
from tools import armv6m, boards, deploy, parts

pytestmark = pytest.mark.emulator

BOARD = "MPS2_AN385"
ALL = boards.names()
MICROPYTHON = FIRMWARE.with_name("micropython32")


@pytest.fixture(scope="module")
def bare():
    with Machine(BARE) as machine:
        yield machine


def run(capsys, machine, *args):
    """Deploy to the machine; return the exit status and what was said."""
    machine.console.close()
    status = deploy.main([BOARD, "--port", machine.console.port, *args])
    out, err = capsys.readouterr()
    return status, out, err


def page(machine):
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(machine.url + "bench200", timeout=10) as answer:
        return answer.read()


def test_deploys_and_serves_with_the_heap_locked(capsys, bare):
    status, out, err = run(capsys, bare)
    assert status == 0, err
    assert "The heap is locked" in out
    assert "lib/stack/tcp/input.mpy" in out
    assert len(page(bare)) == 200


@pytest.mark.parametrize("module", test_board.UNITS)
def test_what_is_copied_can_be_tested_on_the_board(bare, module):
    with deploy.Console(bare.console.port) as console:
        assert re.search(r"^DONE \d+ \d+ \d+$", device.run(console, "tests." + module), re.M)


def test_copies_only_what_has_changed(capsys, bare):
    status, out, err = run(capsys, bare, "--ip", "10.0.2.15/24", "--gw", "10.0.2.2")
    assert status == 0, err
    assert re.findall(r"^  (\S+),", out, re.M) == ["lib/address.py"]
    assert "Serving http://10.0.2.15/" in out
    assert len(page(bare)) == 200


def test_leaves_a_main_py_of_the_user_alone(capsys, bare):
    with deploy.Console(bare.console.port) as console:
        console.soft_reset()
        console.put("main.py", b"print('mine')")
    status, _, err = run(capsys, bare)
    assert status == 1 and "FORCE=1" in err
    with deploy.Console(bare.console.port) as console:
        assert console.eval("open('main.py').read()") == repr("print('mine')")
    status, _, err = run(capsys, bare, "--force")
    assert status == 0, err
    assert len(page(bare)) == 200


def test_code_for_armv6m_serves_too(capsys, bare, monkeypatch):
    """A Cortex-M3 runs what is compiled for the RP2040, where two kernels always decline."""
    real = deploy.ask
    monkeypatch.setattr(deploy, "ask", lambda console: real(console) | {"march": "armv6m"})
    status, out, err = run(capsys, bare, "--force")
    assert status == 0, err
    assert "lib/stack/kernel/fast_viper.mpy" in out
    assert len(page(bare)) == 200


def test_copies_what_is_asked_for_and_removes_the_rest(capsys, bare):
    status, out, err = run(capsys, bare, "--force", "--also", "dns", "--without", "tcp")
    assert status == 0, err
    assert "lib/stack/dns.mpy" in out and "lib/stack/tcp/" not in out
    assert len(page(bare)) == 200
    status, out, err = run(capsys, bare, "--force")
    assert status == 0, err
    assert "lib/stack/tcp/ack.mpy" in out and len(page(bare)) == 200
    with deploy.Console(bare.console.port) as console:
        console.soft_reset()
        console.exec("import os")
        assert "dns.mpy" not in console.eval("os.listdir('lib/stack')")


@pytest.mark.parametrize(
    "args, error",
    [
        (["--without", "core"], "WITHOUT=core: it is one of options "),
        (["--without", "x"], "WITHOUT=x: it is one of options "),
        (["--without", "tcp tcp_tiny"], "needs http: that cannot be left out"),
        (["--without", "udp", "--ip", "dhcp"], "needs dhcp: that cannot be left out"),
        (["--also", "x"], "ALSO=x: it is one of options "),
    ],
)
def test_parts_that_cannot_be_are_told(capsys, args, error):
    assert deploy.main([BOARD, "--dry-run", *args]) == 1
    assert error in capsys.readouterr().err


def test_what_may_be_replaced():
    factory = "# boot.py -- run on boot to configure USB\n\nimport machine  # and pyb\n"
    assert deploy.replaceable(factory) and deploy.replaceable("")
    assert deploy.replaceable((boards.ROOT / "firmware" / "main.py").read_text())
    assert not deploy.replaceable("import machine\nmachine.freq(10)\n")


GOOD = {"version": (1, 25), "mpy": 6, "mpy_sub": 3, "march": "armv7m", "viper": True}
GOOD |= {"heap": 1 << 20, "disk": 1 << 20, "machine": "mps2-an385 with Cortex-M3"}


@pytest.mark.parametrize(
    "fact, remedy",
    [
        ({}, None),
        ({"machine": "NUCLEO_H743ZI with STM32H743"}, "Is BOARD right, and PORT"),
        ({"version": (1, 24)}, "flash 1.25 or later"),
        ({"march": ""}, "MICROPY_EMIT_THUMB"),
        ({"viper": False}, "MICROPY_EMIT_THUMB"),
        ({"mpy_sub": 2}, "set MPY_DIR"),
        ({"heap": 100_000}, "make firmware BOARD=MPS2_AN385"),
    ],
)
def test_check_says_what_to_do(fact, remedy):
    table = boards.board(BOARD)
    if remedy is None:
        deploy.check(table, GOOD | fact)
    else:
        with pytest.raises(boards.BoardError, match=remedy):
            deploy.check(table, GOOD | fact)


@pytest.mark.parametrize("name", ALL)
def test_dry_run_shows_every_step_of_each_board(capsys, name):
    assert deploy.main([name, "--dry-run", "--ip", "192.168.1.50/24"]) == 0
    out = capsys.readouterr().out
    table = boards.board(name)
    for driver in table["drivers"]:
        assert f"write lib/hal/{driver}.mpy" in out or driver.endswith("_thumb")
    assert "write lib/board.mpy" in out and "write lib/address.py" in out
    assert all(line in out for line in table["wiring"])
    assert "Nothing was done" in out


def test_the_network_gives_the_address():
    found = {}
    exec(deploy.address("dhcp", None), found)
    assert found["IP"] == "dhcp" and found["MASK"] is found["GW"] is None


@pytest.mark.parametrize(
    "args, error",
    [
        (["NONE"], "BOARD is one of: .*MPS2_AN385"),
        ([BOARD], "PORT=/dev/ttyACM0"),
        ([BOARD, "--port", "/dev/nothing"], "/dev/nothing"),
        ([BOARD, "--dry-run", "--ip", "192.168.1.300/24"], "192.168.1.50/24"),
        ([BOARD, "--dry-run", "--ip", "192.168.1.3"], "needs a prefix"),
        ([BOARD, "--dry-run", "--ip", "192.168.1.3/24", "--gw", "10.0.0.1"], "in that network"),
    ],
)
def test_mistakes_are_told_with_the_remedy(capsys, args, error):
    assert deploy.main(args) == 1
    assert re.search(error, capsys.readouterr().err)


@pytest.mark.parametrize("name", ALL)
def test_what_is_copied_imports_nothing_else(name, tmp_path):
    """The driver and the stack of each board, on a MicroPython that has no other files."""
    table = boards.board(name)
    for place, path in boards.files(table, *boards.needed(table)).items():
        copy = (tmp_path / place).with_suffix(".py")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    (tmp_path / "lib" / "stack" / "without.py").write_text("")
    names = ["stack.tcp", "stack.apps.http", *(f"hal.{d}" for d in table["drivers"])]
    done = subprocess.run(
        [MICROPYTHON, "-c", f"import {', '.join(names)}"],
        env={"MICROPYPATH": str(tmp_path / "lib")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", [n for n in ALL if boards.board(n).get("micropython")])
@pytest.mark.parametrize("without", ["", "ipv6 tcp"])
def test_a_users_firmware_freezes_what_deploy_copies(name, without, tmp_path, monkeypatch):
    source = pathlib.Path(FIRMWARE).with_name("micropython-src")
    monkeypatch.syspath_prepend(source / "tools")
    monkeypatch.setenv("LWPY_BOARD", name)
    monkeypatch.setenv("LWPY_BUILD", str(tmp_path))
    monkeypatch.setenv("LWPY_WITHOUT", without)
    manifestfile = importlib.import_module("manifestfile")
    (tmp_path / "boards").mkdir()
    (tmp_path / "boards" / "manifest.py").write_text("")  # the user's port
    manifest = manifestfile.ManifestFile(
        manifestfile.MODE_FREEZE, {"PORT_DIR": str(tmp_path), "MPY_LIB_DIR": ""}
    )
    manifest.execute(str(boards.BOARDS / "manifest.py"))
    table = boards.board(name)
    names = parts.without(without.split())
    wanted = boards.files(table, names, boards.examples(names))
    wanted = {k: v for k, v in wanted.items() if k not in boards.AT_START}
    found = {f.target_path: pathlib.Path(f.full_path) for f in manifest.files()}
    assert found.pop("stack/without.py").read_text() == parts.without_py(names)
    found = {f"lib/{k.removesuffix('.py')}.mpy": v for k, v in found.items()}
    for place, source in wanted.items():
        line = [deploy.MPY_CROSS, f"-march={table['march']}", "-o", "/dev/null"]
        if place in found:
            assert subprocess.run([*line, found[place]]).returncode == 0, place
            same = found[place].read_text() == source.read_text()
            assert same or found[place].read_text() == armv6m.shorten(source.read_text())
        else:
            assert subprocess.run([*line, source]).returncode, place
    assert found.keys() <= wanted.keys()
