"""The kernels that suit this interpreter, under one set of names (the contract: plain.py)."""

import sys

if sys.implementation.name == "micropython":
    from .viper import *

    try:
        from .thumb import *
    except (ImportError, SyntaxError, ValueError):  # asm_thumb compiles only for an Arm
        pass
    from .conn_viper import *
    from .fast_viper import *
    from .queue_viper import *
    from .send_viper import *
    from .tcp_viper import *
else:
    from .conn_plain import *
    from .fast_plain import *
    from .plain import *
    from .queue_plain import *
    from .send_plain import *
    from .tcp_plain import *
