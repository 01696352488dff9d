# The same as for the Cortex-M3, with what is too long for ARMv6-M shortened.
include("../manifest.py", armv6m=True)
