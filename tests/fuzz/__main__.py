"""Let each parser hear changed messages: `python -m tests.fuzz --inputs 1000000`.

Prints how many each has heard, and what was found: the input, as hexadecimal digits, and where it
was raised. The same seed gives the same inputs.
"""

import argparse
import random
import sys
import traceback

from .parsers import PARSERS, change, mended

ROUND = 400  # inputs of one stack
FRESH = 25  # inputs until its frames are made anew
_WAITS = (0, 0, 0, 0, 1, 300, 5000)


def one_round(make, r):
    """Let one stack hear ROUND inputs. Returns None, or (input, what it raised)."""
    frame = None
    try:
        parser = make()
        for i in range(ROUND):
            if i % FRESH == 0:
                frames = parser.frames()
            frame = r.choice(frames)
            for _ in range(r.randrange(4)):
                frame = change(frame, r.randrange(10), r.randrange(1500), r.randrange(65536))
            if r.randrange(5):
                frame = mended(frame, r.randrange(2))
            parser.hear(frame)
            if i % 10 == 0:
                parser.lab.wait(r.choice(_WAITS))
        frame = None
        parser.end()
    except Exception:
        return frame, traceback.format_exc(limit=-4)
    return None


def main():
    args = argparse.ArgumentParser(prog="tests.fuzz", description=__doc__.split("\n")[0])
    args.add_argument("--inputs", type=int, default=100_000, help="of all parsers together")
    args.add_argument("--seed", type=int, default=1)
    args.add_argument("--only", nargs="*", default=list(PARSERS), choices=PARSERS)
    args = args.parse_args()
    rounds = max(1, args.inputs // ROUND // len(args.only))
    found = 0
    for name in args.only:
        for k in range(rounds):
            what = one_round(PARSERS[name], random.Random(f"{args.seed} {name} {k}"))
            if what is not None:
                found += 1
                frame = what[0].hex() if what[0] is not None else "at the end"
                print(f"{name}, round {k}: {frame}\n{what[1]}", flush=True)
        print(f"{name}: {rounds * ROUND} inputs", flush=True)
    print(f"{rounds * ROUND * len(args.only)} inputs of seed {args.seed}: {found} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
