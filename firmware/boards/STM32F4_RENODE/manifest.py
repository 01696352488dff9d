# The same as on the MPS2-AN385, with this board's folder.
include("../MPS2_AN385/manifest.py", board="STM32F4_RENODE")
module("board.py", "../renode", opt=0)
