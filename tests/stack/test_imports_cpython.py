"""The layers: who may import whom, read from the sources.

A module of stack/ imports from its own row and from those above it, and nobody in a circle.
"""

import ast
import graphlib
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROWS = (
    "mpy",
    "without config config_tiny err stats",
    "kernel hot",
    "pbuf timer addr6",
    "netif link",
    "eth arp pmtu ipv4 ipv6 nd icmp6 mld icmp igmp reass frag ipopt route forward "
    "forward6 loop vlan",
    "udp raw tcp tcp_tiny tcp_none frag6 reass6 hot6",
    "acd autoip dhcpmsg dhcpterms dhcpsend dhcp dhcpd dnsmsg dnscache dnstcp dns mdnsrec "
    "mdnsquery mdnsin mdns llmnr nbns sntp host6 slaac dhcp6",
    "auto",
    "api",
    "apps",
)
ROW_OF = {unit: i for i, row in enumerate(ROWS) for unit in row.split()}
FACADES = ROW_OF["api"]

# All that the protocols may have from the interpreter; and what nobody may have, facades and
# applications included: the time, the machine, the operating system.
OUTSIDE = {"array", "micropython", "sys"}
NOBODY = set("hal board time utime machine socket select os random threading _thread".split())


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(p): p for p in sorted((ROOT / "stack").rglob("*.py"))}


def imports(name):
    """Return the full names of what module `name` imports, at its top or inside a function."""
    path = MODULES[name]
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(a.name for a in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                up = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join(up + ([node.module] if node.module else []))
            for alias in node.names:
                child = base + "." + alias.name
                found.add(child if child in MODULES else base)
    return found


def unit(name):
    """Return the name's entry in ROWS: 'tcp' for 'stack.tcp.ack'; '' for 'stack' itself."""
    return (name.split(".") + [""])[1]


def test_imports_are_read():
    assert "stack.kernel" in imports("stack.pbuf")
    assert "stack.pbuf" in imports("stack")
    assert "stack.tcp.output" in imports("stack.tcp")


@pytest.mark.parametrize("name", [n for n in MODULES if unit(n)])
def test_module_imports_from_its_row_or_above(name):
    assert unit(name) in ROW_OF, "which row does it belong to? See ROWS"
    row = ROW_OF[unit(name)]
    for other in imports(name):
        if other.split(".")[0] != "stack":
            continue
        if unit(other):
            assert ROW_OF[unit(other)] <= row, f"{name} imports {other} from a row below"
        else:
            assert row >= FACADES, f"{name} imports the whole stack"


@pytest.mark.parametrize("name", MODULES)
def test_module_imports_nothing_of_the_machine(name):
    outside = {n.split(".")[0] for n in imports(name)} - {"stack"}
    assert not outside & NOBODY
    if ROW_OF.get(unit(name), 0) < FACADES:
        assert outside <= OUTSIDE


def test_no_circles():
    graph = {n: {i for i in imports(n) if i in MODULES and i != n} for n in MODULES}
    graphlib.TopologicalSorter(graph).prepare()
    units = {}
    for name, others in graph.items():
        units.setdefault(unit(name), set()).update({unit(o) for o in others} - {unit(name), ""})
    graphlib.TopologicalSorter(units).prepare()
