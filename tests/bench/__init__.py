"""`make bench`: what the stack costs on an emulated Cortex-M3, beside lwIP. See __main__.py."""
