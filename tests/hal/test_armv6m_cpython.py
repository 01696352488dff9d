"""tools/armv6m.py: kernels that are too long for an RP2040 decline, and nothing else changes."""

import subprocess

import pytest

from tools.armv6m import DECLINES, shorten
from tools.boards import ROOT
from tools.deploy import MPY_CROSS

KERNELS = sorted((ROOT / "stack" / "kernel").glob("*_viper.py"))


@pytest.mark.parametrize("name", DECLINES)
def test_each_is_there_once(name):
    assert sum(p.read_text().count(f"def {name}(") for p in KERNELS) == 1


def test_only_their_bodies_change():
    for path in KERNELS:
        text = path.read_text()
        short = shorten(text)
        assert len(short.splitlines()) == len(text.splitlines())
        kept = set(short.splitlines()) - set(text.splitlines())
        assert kept <= {f"    return {n}" for n in DECLINES.values()}


def test_a_function_declines():
    scope = {}
    text = 'def frame_check(a,\n    b):\n    """x"""\n    return a\ndef f():\n    return 7\n'
    exec(shorten(text), scope)
    assert scope["frame_check"](5, 6) == 0 and scope["f"]() == 7


@pytest.mark.skipif(not MPY_CROSS.exists(), reason="build/mpy-cross has not been built")
@pytest.mark.parametrize("path", KERNELS, ids=lambda p: p.stem)
def test_the_others_are_not_too_long(path):
    line = [MPY_CROSS, "-march=armv6m", "-o", "-", "--", "-"]
    done = subprocess.run(line, input=shorten(path.read_text()).encode(), capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
