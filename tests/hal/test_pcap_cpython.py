"""hal/pcap.py: an independent reader understands the files, which every interpreter writes."""

import os
import pathlib
import subprocess
import sys
import time

import pytest
from scapy.layers.l2 import Ether
from scapy.utils import rdpcap

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = """
import sys
from hal.clock import Fake
from tests.hal.test_pcap import record
record(sys.argv[1], Fake()).close()
"""


@pytest.mark.parametrize("name", ["cpython", "micropython", "micropython32"])
def test_scapy_reads_it(name, tmp_path):
    python = sys.executable if name == "cpython" else ROOT / "build" / name
    if not pathlib.Path(python).exists():
        pytest.skip(f"{python} has not been built")
    (tmp_path / "program.py").write_text(PROGRAM)
    file = tmp_path / "run.pcap"
    path = str(ROOT)
    subprocess.run(
        [python, str(tmp_path / "program.py"), str(file)],
        env=dict(os.environ, PYTHONPATH=path, MICROPYPATH=f"{path}:.frozen"),
        check=True,
        timeout=60,
    )
    packets = rdpcap(str(file))
    assert [len(p) for p in packets] == [60, 1514, 99]
    assert [p[Ether].src[-1] for p in packets] == ["1", "1", "2"]
    times = [float(p.time) for p in packets]
    assert abs(times[0] - time.time()) < 60
    assert [round(t - times[0], 3) for t in times] == [0, 1.001, 2.002]
