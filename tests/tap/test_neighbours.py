"""NetBIOS: a real program asks for our name, if it is installed."""

import shutil

import pytest

from tests.tap.lwpy import ALL
from tests.tap.test_mdns import NONZERO

interpreters = pytest.mark.parametrize("interpreter", ALL)


@interpreters
def test_nmblookup_finds_our_name(lab, start, interpreter):
    """Of Samba; it asks by a broadcast."""
    if shutil.which("nmblookup") is None:
        pytest.skip("nmblookup is not installed: apt install samba-common-bin")
    lwpy = start(interpreter, NONZERO)
    lwpy.call("neighbours", "board")
    ask = ["nmblookup", "--option=interfaces=" + lab.DEV, "-s", "/dev/null", "-B", "10.77.0.255"]
    assert f"{lab.PEER} board<00>" in lab.run(*ask, "board")
    assert "failed to find name other" in lab.run(*ask, "other", check=False)
    counters = lwpy.state()["counters"]["nbns"]
    assert counters["tx"] == counters["query"] > 0 and counters["not_ours"] > 0
