# What MicroPython for the PC has frozen in: asyncio only, as on a microcontroller.
include("$(MPY_DIR)/extmod/asyncio")
