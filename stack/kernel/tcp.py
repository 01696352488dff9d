"""TCP's kernels that suit this interpreter, and the fast path's, under one set of names (the
contract: fast_plain.py, tcp_plain.py, conn_plain.py, queue_plain.py, send_plain.py).
"""

import sys

if sys.implementation.name == "micropython":
    from .conn_viper import *
    from .fast_viper import *
    from .queue_viper import *
    from .send_viper import *
    from .tcp_viper import *
else:
    from .conn_plain import *
    from .fast_plain import *
    from .queue_plain import *
    from .send_plain import *
    from .tcp_plain import *
