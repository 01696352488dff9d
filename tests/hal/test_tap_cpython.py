"""hal/tap.py against Linux, in a network namespace that ends with the test. Needs root."""

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SETUP = "ip link set lo up; ip tuntap add tap0 mode tap; ip addr add 10.99.0.1/24 dev tap0; "
SETUP += "ip link set tap0 up; "
PING = "tests/hal/raw_ping.py"


@pytest.fixture
def namespace():
    """A function that runs a shell command in a new network namespace with tap0."""
    if os.geteuid() != 0 or not os.path.exists("/dev/net/tun"):
        pytest.skip("a TAP interface and a network namespace need root and /dev/net/tun")

    def run(command, **env):
        env = dict(os.environ, PYTHONPATH=str(ROOT), MICROPYPATH=f"{ROOT}:.frozen", **env)
        return subprocess.run(
            ["unshare", "--net", "sh", "-c", SETUP + command],
            cwd=ROOT,
            env=env,
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


def interpreter(name):
    path = ROOT / "build" / name
    if not path.exists():
        pytest.skip(f"{path} has not been built")
    return str(path)


def test_linux_answers_the_driver(namespace):
    done = namespace(f"{sys.executable} {PING}", LWPY_NETDEV="tap:tap0")
    assert done.stdout.split() == ["20", "0", "0"], done.stderr


@pytest.mark.parametrize("name", ["micropython", "micropython32"])
def test_linux_answers_micropython_through_the_bridge(namespace, name):
    python = interpreter(name)
    done = namespace(f"{sys.executable} -m hal.tap tap0 -- {python} {PING}")
    assert done.stdout.split() == ["20", "0", "0"], done.stderr


def test_interface_can_be_reopened_at_once(namespace):
    again = f"{sys.executable} -m hal.tap tap0 -- true; "
    done = namespace(again * 5 + f"{sys.executable} -m hal.tap tap0 -- sh -c 'exit 7'")
    assert done.returncode == 7, done.stderr


def test_program_that_is_not_there_is_named(namespace):
    done = namespace(f"{sys.executable} -m hal.tap tap0 -- ./nothing")
    assert done.returncode == 1
    assert "hal.tap: " in done.stderr and "./nothing" in done.stderr


def test_interface_in_use_is_named(namespace):
    hold = "from hal.tap import Tap; t = Tap('tap0'); Tap('tap0')"
    done = namespace(f'{sys.executable} -c "{hold}"')
    assert "cannot open TAP interface tap0: another program has it open" in done.stderr


def test_usage():
    done = subprocess.run(
        [sys.executable, "-m", "hal.tap", "tap0"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 1 and done.stderr.startswith("usage:")
