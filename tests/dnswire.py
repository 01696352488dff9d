"""DNS messages once more, with nothing of the stack's own code: tests build and read them by hand.
Runs on every interpreter."""

from .packets import b16, b32, num

A, CNAME, SOA, PTR, TXT, AAAA, SRV, OPT, NSEC, ANY = 1, 5, 6, 12, 16, 28, 33, 41, 47, 255
_NAME_AT = {PTR: 0, SRV: 6, NSEC: 0}  # where in their data names are, which may be compressed


def name(text):
    """Return the name `text` (b"www.example.org") as it is on the wire."""
    labels = text.split(b".") if text else []
    return b"".join(bytes((len(x),)) + x for x in labels) + b"\x00"


def record(owner, kind, data, ttl=300, cls=1, n=None):
    """Return a record; `owner` is on the wire already, so it may be a pointer."""
    n = len(data) if n is None else n
    return owner + b16(kind) + b16(cls) + b32(ttl) + b16(n) + data


def soa(owner, ttl=600, minimum=60):
    data = name(b"ns.example") + name(b"root.example") + b32(1) * 4 + b32(minimum)
    return record(owner, SOA, data, ttl)


class Message:
    """A message, read."""

    def __init__(self, data):
        self.data = data
        self.id = num(data, 0, 2)
        self.flags = num(data, 2, 2)
        counts = [num(data, 4 + 2 * i, 2) for i in range(4)]
        at = 12
        self.questions = []
        for _ in range(counts[0]):
            start = at
            owner, at = read(data, at)
            self.questions.append((owner, num(data, at, 2), num(data, at + 2, 2)))
            at += 4
            self.question = data[start:at]  # the last one's bytes
        self.answers, at = _records(data, at, counts[1])
        self.authorities, at = _records(data, at, counts[2])
        self.additional, at = _records(data, at, counts[3])
        assert at == len(data), "bytes behind the message"


def _records(data, at, n):
    """Return [(name, type, class, TTL, RDATA with names in full)], and where they end."""
    found = []
    for _ in range(n):
        owner, at = read(data, at)
        kind = num(data, at, 2)
        end = at + 10 + num(data, at + 8, 2)
        body = data[at + 10 : end]
        if kind in _NAME_AT:
            k = _NAME_AT[kind]
            target, over = read(data, at + 10 + k)
            body = body[:k] + name(target) + data[over:end]
        found.append((owner, kind, num(data, at + 2, 2), num(data, at + 4, 4), body))
        at = end
    return found, at


def read(data, at):
    """Return the name at data[at], as text, and where it is over."""
    labels = []
    over = None
    while data[at]:
        if data[at] >= 0xC0:
            over = at + 2 if over is None else over
            at = num(data, at, 2) & 0x3FFF
        else:
            labels.append(bytes(data[at + 1 : at + 1 + data[at]]))
            at += data[at] + 1
    return b".".join(labels), at + 1 if over is None else over


def message(ident, flags, question=b"", answers=(), authorities=(), additional=(), counts=None):
    """Return a message with at most one question, whose bytes are `question`."""
    sections = (answers, authorities, additional)
    if counts is None:
        counts = [1 if question else 0] + [len(s) for s in sections]
    body = b"".join(b"".join(s) for s in sections)
    return b16(ident) + b16(flags) + b"".join(b16(n) for n in counts) + question + body
