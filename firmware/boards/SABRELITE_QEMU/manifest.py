# The same as on the MPS2-AN385, with this board's folder; its code is Arm's, so none in Thumb.
include("../MPS2_AN385/manifest.py", board="SABRELITE_QEMU", thumb=False)
