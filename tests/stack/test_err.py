"""stack/err.py. Runs on every interpreter."""

from stack import err


def codes():
    return [n for n in dir(err) if n == "OK" or n.startswith("ERR_")]


def test_name_of_each_code():
    assert len(codes()) == 17
    for n in codes():
        assert err.name(getattr(err, n)) == n, n


def test_codes_are_lwips():
    values = sorted(getattr(err, n) for n in codes())
    assert values == list(range(-16, 1))
    # include/lwip/err.h
    assert (err.OK, err.ERR_MEM, err.ERR_BUF, err.ERR_TIMEOUT, err.ERR_RTE) == (0, -1, -2, -3, -4)
    assert (err.ERR_ABRT, err.ERR_RST, err.ERR_CLSD, err.ERR_ARG) == (-13, -14, -15, -16)


def test_name_of_no_code():
    for n in (1, 16, -17, -1000):
        assert err.name(n) == "ERR_?", n
