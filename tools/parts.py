"""The parts of the stack, and the files of each: what can be left out, and what it costs.

A part is the modules of its row and what they import, down to other parts' modules. What is
imported inside a function is of the part, but it can do without.
"""

import ast
import collections
import functools
import pathlib

from stack import config

ROOT = pathlib.Path(__file__).resolve().parent.parent

# does: in a few words. rfcs: which say so. modules: of stack/, what it begins with. on: what turns
# it on, limits of stack/config.py or a call. needs: parts without which it does nothing, though it
# imports nothing of them; "a|b": one of these. off: the limits of a stack without it.
Part = collections.namedtuple("Part", "does rfcs modules on needs off")


def _row(does, rfcs, modules, on, needs="", **off):
    return Part(does, rfcs, [f"stack.{m}" for m in modules.split()], on, needs.split(), off)


CORE = "core"
WITHOUT = "stack.without"


class PartError(Exception):
    """There is no such part, or it cannot be left out. The message says what there is."""


ROWS = {
    CORE: _row("Ethernet, ARP, IPv4, ping", "826 791 792 1122", "arp", "Stack(seed=seed)"),
    "options": _row(
        "packets with options are taken, source routes refused",
        "791 7126",
        "ipopt",
        "IP_OPTIONS = True",
        IP_OPTIONS=False,
    ),
    "fragment": _row(
        "packets beyond the MTU are cut", "791", "frag", "IP_FRAGMENT = True", IP_FRAGMENT=False
    ),
    "reassemble": _row(
        "fragments are put together", "791 815", "reass", "IP_REASS_MAX = 2", IP_REASS_MAX=0
    ),
    "route": _row(
        "static routes, redirects, the longest prefix",
        "1122",
        "route",
        "IP_ROUTES = 4",
        IP_ROUTES=0,
    ),
    "forward": _row(
        "a router between interfaces",
        "1812",
        "forward",
        "IP_FORWARD = True",
        IP_FORWARD=False,
    ),
    "loopback": _row("127.0.0.1, and our own address", "1122", "loop", "loop.start(net)"),
    "vlan": _row(
        "an interface in a VLAN",
        "802.1Q",
        "vlan",
        'vlan.add(net, nif, 2, "10.1.0.1", "255.255.255.0")',
    ),
    "igmp": _row("groups of IPv4", "3376 2236 1112", "igmp", "igmp.start(net)"),
    "udp": _row("datagrams", "768", "udp", "NUM_UDP_PCB = 8", NUM_UDP_PCB=0),
    "tcp": _row("TCP", "9293 and others", "tcp", "NUM_TCP_PCB = 8", NUM_TCP_PCB=0),
    "tcp_tiny": _row(
        "TCP with one segment under way",
        "9293",
        "tcp_tiny config_tiny",
        "Stack(config_tiny, seed)",
    ),
    "acd": _row("whether an address is somebody's", "5227", "acd", ""),
    "autoip": _row("an address of 169.254/16", "3927", "autoip", "autoip.start(nif)"),
    "dhcp": _row("addresses from the network", "2131 2132", "dhcp", "dhcp.start(nif)"),
    "dhcpd": _row("a server of addresses", "2131", "dhcpd", 'dhcpd.start(nif, "10.0.0.100")'),
    "dns": _row("addresses of names", "1035 6891 2308", "dns", 'dns.start(net, ("10.0.0.1",))'),
    "mdns": _row("names in .local, services", "6762 6763", "mdns", 'mdns.start(net, b"board")'),
    "llmnr": _row("our name for its neighbours", "4795", "llmnr", 'llmnr.start(net, b"board")'),
    "nbns": _row("our name, as NetBIOS's", "1002", "nbns", 'nbns.start(net, b"board")'),
    "sntp": _row("the time", "4330", "sntp", 'sntp.start(net, ("10.0.0.1",), print)'),
    "ipv6": _row(
        "IPv6, neighbours, groups, addresses by themselves",
        "8200 4861 4862 4443 3810",
        "addr6 ipv6 icmp6 nd mld host6 slaac",
        "slaac.start(nif)",
    ),
    "dhcpv6": _row("an address, name servers", "8415", "dhcp6", "dhcp6.start(nif)"),
    "auto": _row(
        "all of these by themselves", "1122 8504", "auto", 'auto.start(nif, b"board", print)'
    ),
    "http": _row("a web server", "9112", "apps.http", "http.serve(net, {})", "tcp|tcp_tiny"),
    "ping": _row("ping and traceroute", "792", "apps.ping", "ping.Ping(net)"),
    "netstat": _row("what the stack does, as text", "", "apps.netstat", "netstat.text(net)"),
    "status": _row("the same as numbers", "", "apps.status", "status.Status(net, {})"),
}


@functools.cache
def modules():
    """Return {name: path} of all modules of stack/."""
    found = {}
    for path in sorted((ROOT / "stack").rglob("*.py")):
        words = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(words[:-1] if words[-1] == "__init__" else words)] = path
    return found


@functools.cache
def imports(name, later=False):
    """Return the modules of stack/ that module `name` imports when it is imported, or, with
    `later`, at all."""
    path = modules()[name]
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    return relative(path, package, later) & set(modules()) - {name}


def relative(path, package, later):
    """Return the names that the Python file `path` imports from its `package` and those around it,
    when it is imported, or, with `later`, at all: modules, and what may be one."""
    nodes, found = list(ast.parse(path.read_text()).body), set()
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.ImportFrom) and node.level:
            up = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join(up + ([node.module] if node.module else []))
            found |= {base, *(f"{base}.{a.name}" for a in node.names)}
        elif later or not isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            nodes += ast.iter_child_nodes(node)
    return found


def closure(names, but, later=True):
    """Return modules `names`, what they import, and so on, without those of `but`."""
    found, left = set(), list(names)
    while left:
        name = left.pop()
        if name and name not in found and name not in but:
            found.add(name)
            left += imports(name, later) | {name.rpartition(".")[0]}
    return found


@functools.cache
def own(part, later=True):
    """Return the modules of `part`: not those of the core, nor those that others begin with. If
    not `later`, only those that it cannot do without."""
    others = {m for p, r in ROWS.items() if p != part for m in r.modules}
    if part == CORE:
        return closure(["stack", *ROWS[CORE].modules], others, later)
    return closure(ROWS[part].modules, others | own(CORE), later)


@functools.cache
def needs(part):
    """Return what `part` does nothing without, but for the core: parts, or "one|another"."""
    wanted = set().union(*map(imports, own(part, False)))
    named = {p for p, r in ROWS.items() if wanted & set(r.modules)}
    return (named | set(ROWS[part].needs)) - {part, CORE}


def with_needs(names, among=None):
    """Return parts `names` and what they need, the core as well; of several the first that is one
    of `among`."""
    found, left = {CORE}, list(names)
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            for need in needs(name):
                left += [p for p in need.split("|") if among is None or p in among][:1]
    return found


def check(names, option):
    """Raise PartError if one of `names`, which came with `option`, is no part besides the core."""
    for name in names:
        if name not in ROWS or name == CORE:
            raise PartError(f"{option}={name}: it is one of {' '.join(ROWS).partition(' ')[2]}")


def without(names):
    """Return the parts that are left without `names`, and without what needs them. Raises
    PartError for what is no part."""
    check(names, "WITHOUT")
    left = set(ROWS)
    gone = set(names)
    while gone:
        left -= gone
        gone = {p for p in left if any(not left & set(n.split("|")) for n in needs(p))}
    return left


def files(names, tests=False):
    """Return {name: path} of the modules of parts `names`, but for those that import others'; with
    `tests`, also of those that only tests import."""
    found = {m for p in names for m in own(p) if tests or not for_tests(m)}
    gone = {""}
    while gone:
        gone = {m for m in found if {i for i in imports(m) if not for_tests(i)} - found}
        found -= gone
    return {m: path for m, path in modules().items() if m in found}


def used_by(path):
    """Return the parts whose modules the Python file `path` imports when it is imported."""
    wanted = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom) and not node.level:
            wanted |= {node.module, *(f"{node.module}.{a.name}" for a in node.names)}
    return {p for p in ROWS if wanted & set(ROWS[p].modules)}


def by_default():
    """Return the parts that the limits of stack/config.py turn on."""
    return {p for p, r in ROWS.items() if any(getattr(config, k) != v for k, v in r.off.items())}


def limits(names):
    """Return what to set in stack/config.py for a stack of parts `names` and no others."""
    off = {}
    for name, row in ROWS.items():
        off |= {} if name in names else row.off
    if "tcp_tiny" in names and "tcp" not in names:  # it takes its place
        off |= {"NUM_TCP_PCB": config.NUM_TCP_PCB, "TCP_TINY": True}
    return off


def without_py(names):
    """Return the source of stack/without.py for a build of parts `names`."""
    lines = [f"{k} = {v}\n" for k, v in limits(names).items()]
    gone = " ".join(p for p in ROWS if p not in names)
    return f'"""What this build leaves out: {gone or "nothing"}."""\n\n' + "".join(lines)


def write_without(names, build):
    """Write it below folder `build`, for a manifest. Returns the folder that has stack/."""
    base = build / "without"
    (base / "stack").mkdir(parents=True, exist_ok=True)
    (base / "stack" / "without.py").write_text(without_py(names))
    return base


def for_tests(name):
    """Is module `name` one that MicroPython imports to hold its kernels against it, and no test of
    `make test-board` does?"""
    return name.endswith("_plain")
