include("../MPS2_AN385/manifest.py", board="STM32F4_ENC28J60_RENODE")
module("board.py", "../renode", opt=0)
