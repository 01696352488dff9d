"""One web server, two address families at once: curl by every address that it has, and by name."""

import subprocess

import pytest

from stack import mdns
from tests.tap.lwpy import ALL
from tests.tap.test_auto import MADE, NETWORK
from tests.tap.test_ip6 import LOCAL, PREFERRED, router
from tests.tap.test_mdns import NONZERO, avahi
from tests.tap.test_ping import wait_for

__all__ = ["avahi", "router"]  # fixtures


@pytest.mark.parametrize("interpreter", ALL[::2])
def test_the_page_by_every_address_and_by_name(lab, start, router, avahi, interpreter):
    """IPv4, link-local and SLAAC addresses, and board.local as avahi resolves it: all at once."""
    router(NETWORK)
    daemon = avahi()
    lwpy = start(interpreter, NONZERO, ip6=[])
    lwpy.call("announce", "board", "My Board")
    wait_for(lambda: lwpy.call("addresses6") == {LOCAL: PREFERRED, MADE: PREFERRED}, 30)
    wait_for(lambda: lwpy.call("mdns") == ["board.local", mdns.RUNNING], 30)
    asked = [[f"http://{h}/"] for h in (lab.PEER, f"[{MADE}]", f"[{LOCAL}%25{lab.DEV}]")]
    for family in ("-4", "-6"):
        resolve = ["avahi-resolve", family, "-n", "board.local"]
        name, ip = wait_for(lambda resolve=resolve: daemon.run(*resolve).split(), 20)
        link = "%" + lab.DEV if ip == LOCAL else ""
        asked.append([f"http://{name}/", "--resolve", f"{name}:80:[{ip}{link}]"])
    curls = [lab.popen(["curl", "-sSg", *a], stdout=subprocess.PIPE) for a in asked * 2]
    pages = {curl.communicate(timeout=20)[0] for curl in curls}
    assert len(pages) == 1 and pages.pop().startswith(b"line 0 of the page\n")
