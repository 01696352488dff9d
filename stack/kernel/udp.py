"""UDP's kernel that suits this interpreter (the contract: udp_plain.py)."""

import sys

if sys.implementation.name == "micropython":
    from .udp_viper import *
else:
    from .udp_plain import *
