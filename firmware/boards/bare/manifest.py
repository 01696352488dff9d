# MicroPython without lwpy: the stack comes as files, with `make deploy`.
include("$(MPY_DIR)/extmod/asyncio")
module("boot.py")
