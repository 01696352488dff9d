"""The SNTP client against chrony, which serves the time of this machine and changes nothing."""

import datetime
import shutil
import subprocess
import time

import pytest

from tests.tap.lwpy import ALL
from tests.tap.test_ping import wait_for

CONF = """
local stratum 8
allow 10.77.0.0/16
bindaddress 10.77.0.1
port 123
cmdport 0
bindcmdaddress /
pidfile {0}/pid
user root
"""


@pytest.fixture
def chrony(lab, tmp_path):
    if shutil.which("chronyd") is None:
        pytest.skip("chrony is not installed: make setup")
    conf = tmp_path / "conf"
    conf.write_text(CONF.format(tmp_path))
    with open(tmp_path / "log", "w") as log:
        process = lab.popen(["chronyd", "-x", "-d", "-f", conf], stdout=log, stderr=log)
    wait_for(lambda: ":123 " in lab.run("ss", "-lun"))
    yield process
    process.send_signal(2)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@pytest.mark.parametrize("interpreter", ALL)
def test_the_time_of_this_machine(lab, chrony, start, interpreter):
    lwpy = start(interpreter)
    before = time.time()
    lwpy.call("clock", [lab.IP])
    ((days, seconds, ms),) = wait_for(lambda: lwpy.call("clock", []))
    since = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC).timestamp()
    told = since + days * 86400 + seconds + ms / 1000
    assert before - 2 < told < time.time() + 2
    counters = lwpy.state()["counters"]["sntp"]
    assert counters["rx"] == counters["tx"] == 1
