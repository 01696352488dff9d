"""python -m emulator demo | repl | run SCRIPT | serve: the firmware, emulated or on a board.

With --port the same commands talk to the board at a serial port, and no emulator is started.
"""

import argparse
import contextlib
import re
import signal
import sys
import time
import urllib.error
import urllib.request

from . import renode
from .console import Console, ConsoleError, DeviceError
from .qemu import BOARD, BOARDS, HTTP, EmulatorError, Machine, free_port

_PAGE_S = 15
_FOREVER = float("inf")


def main(argv=None):
    """Run the command line. Returns the exit status."""
    args = _arguments(argv)
    args.started = time.monotonic()
    # make and scripts may have started us with Ctrl-C ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        with _board(args) as (console, url):
            return args.command(args, console, url)
    except KeyboardInterrupt:
        print("\nEnded.")
        return 0
    except (EmulatorError, ConsoleError, DeviceError) as e:
        for text in (str(e), *getattr(e, "__notes__", ())):
            print(text, file=sys.stderr)
        return 1


def _arguments(argv):
    top = argparse.ArgumentParser(prog="python -m emulator", description=__doc__)
    commands = top.add_subparsers(required=True, metavar="demo|repl|run|serve")
    emulated = argparse.ArgumentParser(add_help=False)
    boards = (*BOARDS, *renode.MACHINES)
    emulated.add_argument(
        "--board", choices=boards, default=BOARD, metavar="BOARD", help=" ".join(boards)
    )
    emulated.add_argument("--elf", help="the firmware, if it is not the board's own in build/")
    emulated.add_argument(
        "--net", default="user", help="user (default), tap:NAME, stream:..., none"
    )
    emulated.add_argument("--netns", metavar="NAME", help="run it in this network namespace")
    emulated.add_argument("--pcap", metavar="FILE", help="write every frame to FILE")
    emulated.add_argument(
        "--icount", action="store_true", help="one instruction is one nanosecond"
    )
    emulated.add_argument(
        "--forward",
        metavar="HOST:GUEST[/udp]",
        type=_forward,
        action="append",
        default=[],
        help="make a port of the machine one of 127.0.0.1 (with --net user)",
    )
    common = argparse.ArgumentParser(add_help=False, parents=[emulated])
    common.add_argument("--port", metavar="URL", help="a real board: /dev/ttyACM0, COM3, ...")
    demo = commands.add_parser("demo", parents=[common], help="boot, fetch the web page, go on")
    demo.add_argument("--once", action="store_true", help="end when the page has been fetched")
    demo.set_defaults(command=_demo)
    repl = commands.add_parser("repl", parents=[common], help="type Python on the machine")
    repl.set_defaults(command=_repl)
    run = commands.add_parser("run", parents=[common], help="run a script on the machine")
    run.add_argument("script", type=argparse.FileType("rb"), help="a file, or - for the input")
    run.set_defaults(command=_run)
    serve = commands.add_parser("serve", parents=[emulated], help="boot, and leave the console")
    serve.set_defaults(command=_serve, port=None)
    return top.parse_args(argv)


def _forward(text):
    match = re.fullmatch(r"(\d+):(\d+)(?:/(tcp|udp))?", text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:GUEST or HOST:GUEST/udp")
    return int(match[1]), int(match[2]), match[3] or "tcp"


@contextlib.contextmanager
def _board(args):
    """Open what the command talks to. Yields its console, and its page's address if that is known
    (a real board tells it on the console)."""
    if args.port:
        with Console(args.port) as console:
            yield console, None
        return
    if args.board in renode.MACHINES:
        with _renode(args) as machine:
            args.machine = machine
            yield machine.console, None
        return
    forward = list(args.forward)
    if not any(guest == HTTP for _, guest, _ in forward):
        forward.append((free_port(8080), HTTP, "tcp"))
    options = {"elf": args.elf, "board": args.board, "net": args.net, "netns": args.netns}
    with Machine(hostfwd=forward, icount=args.icount, pcap=args.pcap, **options) as machine:
        args.machine = machine
        yield machine.console, machine.url if args.net == "user" else None


@contextlib.contextmanager
def _renode(args):
    """Start Renode, on a TAP interface that exists, or on one in a namespace of its own."""
    kind, _, name = args.net.partition(":")
    with contextlib.ExitStack() as stack:
        if kind not in ("tap", "none"):
            name = renode.TAP
            args.netns = stack.enter_context(renode.namespace())
            args.net = "namespace " + args.netns
            print(f"To be in its network: ip netns exec {args.netns} COMMAND", flush=True)
        machine = renode.Renode(args.board, name or None, args.netns, args.elf)
        yield stack.enter_context(machine)


def _demo(args, console, url):
    """Show the machine's start, its page's summary, and then its console until Ctrl-C."""
    if args.port:
        console.reboot()
    text = _serving(console)
    _show(text)
    url = url or re.search(r"http://\S+", text)[0]
    if not args.port and args.net != "user":
        print(f"The network is {args.net}: from there, open {url}")
    else:
        page, seconds = _fetch(url)
        took = time.monotonic() - args.started
        title = re.search(r"<title>(.*?)</title>", page, re.S)
        print(f"Fetched {url}: {len(page)} bytes in {seconds * 1000:.0f} ms, ", end="")
        print(f"{took:.1f} s after the start.")
        print(f"Its title: {title[1].strip() if title else 'none'}")
        if args.once:
            return 0
        print(f"Open {url} in a browser.", end=" ")
    print("Ctrl-C ends this. The machine's console:\n", flush=True)
    while True:
        _show(console.read(timeout=60))


def _serving(console):
    """Return what main.py prints until it serves."""
    return console.expect("Serving http://", _PAGE_S) + console.expect("\n")


def _fetch(url):
    """Return the page at `url`, waiting until the machine serves it, and the seconds it took."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    end = time.monotonic() + _PAGE_S
    while True:
        start = time.monotonic()
        try:
            with direct.open(url, timeout=5) as answer:
                return answer.read().decode(), time.monotonic() - start
        except (OSError, urllib.error.URLError) as e:
            if time.monotonic() > end:
                raise EmulatorError(f"no page from {url} in {_PAGE_S} s: {e}") from e
            time.sleep(0.2)


def _repl(args, console, url):
    """Stop the program, and join this terminal to the REPL."""
    if not args.port:
        _show(_serving(console))
    _show(console.interrupt())
    if url:
        print(f"(the machine's page: {url}; Ctrl-] or Ctrl-X ends this)", end="")
    console.send("\r")
    console.interactive()
    print()
    return 0


def _run(args, console, url):
    """Run the script on a fresh interpreter, and show what it prints as it comes."""
    console.soft_reset()

    def show(byte):
        sys.stdout.buffer.write(byte.replace(b"\r", b""))
        sys.stdout.flush()

    try:
        console.exec(args.script.read(), _FOREVER, show)
    except KeyboardInterrupt:
        console.interrupt()  # a real board would run on
        raise
    return 0


def _serve(args, console, url):
    """Boot a machine, and leave its console to others: make repl PORT=..., mpremote."""
    console.close()
    print(f"PORT={console.port}" + (f"  page: {url}" if url else ""))
    print("Ctrl-C ends the machine.", flush=True)
    while True:
        args.machine.check()
        time.sleep(1)


def _show(text):
    sys.stdout.write(text.replace("\r\n", "\n"))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
