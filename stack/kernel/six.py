"""IPv6's kernels that suit this interpreter (the contract: six_plain.py)."""

import sys

if sys.implementation.name == "micropython":
    from .six_viper import *
else:
    from .six_plain import *
