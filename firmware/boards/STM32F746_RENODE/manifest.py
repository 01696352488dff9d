# The STM32F4's Python: its MAC is the same.
include("../MPS2_AN385/manifest.py", board="STM32F4_RENODE")
module("board.py", "../renode", opt=0)
