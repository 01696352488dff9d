include("../MPS2_AN385/manifest.py", board="STM32H7_RENODE")
module("board.py", "../renode", opt=0)
