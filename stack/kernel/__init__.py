"""The kernels that suit this interpreter, under one set of names (the contract: plain.py and
loop_plain.py). Those that not every stack has are in udp.py, and in tcp.py, the fast path with
them: who does not import these does without their memory.
"""

import sys

if sys.implementation.name == "micropython":
    from .viper import *

    try:
        from .thumb import *
    except (ImportError, SyntaxError, ValueError):  # asm_thumb compiles only for an Arm
        pass
    from .loop_viper import *
else:
    from .loop_plain import *
    from .plain import *
