"""What MicroPython has built in and CPython lacks."""

try:
    from micropython import const
except ImportError:

    def const(value):
        """Return `value`. MicroPython's compiler puts constants named _X in line."""
        return value
