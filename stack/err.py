"""Error codes, named and numbered as in lwIP (err.h). Data-path calls return them; see each."""

OK = 0
ERR_MEM = -1  # a pool is empty
ERR_BUF = -2  # a pbuf has no room for a header
ERR_TIMEOUT = -3
ERR_RTE = -4  # no route, or the network says unreachable
ERR_INPROGRESS = -5
ERR_VAL = -6  # a value no peer would accept
ERR_WOULDBLOCK = -7
ERR_USE = -8  # address or port in use
ERR_ALREADY = -9
ERR_ISCONN = -10
ERR_CONN = -11  # not connected
ERR_IF = -12  # the interface failed
ERR_ABRT = -13  # aborted here: the pcb is gone
ERR_RST = -14  # reset by the peer: the pcb is gone
ERR_CLSD = -15  # closed
ERR_ARG = -16

_NAMES = (
    "OK MEM BUF TIMEOUT RTE INPROGRESS VAL WOULDBLOCK USE ALREADY ISCONN CONN IF ABRT RST CLSD ARG"
).split()


def name(err):
    """Return the code's name, such as 'ERR_MEM'. For messages; allocates."""
    if err > 0 or -err >= len(_NAMES):
        return "ERR_?"
    return _NAMES[-err] if err == 0 else "ERR_" + _NAMES[-err]
