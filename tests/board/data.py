"""The bytes that the board and its testers exchange. Runs on both."""

SIZE = 1 << 20
# An odd length: no two segments of a stream begin alike.
DATA = bytes(i * 7 + (i >> 8) & 0xFF for i in range(5839))


def stream():
    """Return SIZE bytes: DATA again and again."""
    return (DATA * (SIZE // len(DATA) + 1))[:SIZE]
