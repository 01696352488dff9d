"""The tiny profile: a whole stack with two TCP connections in 4 KB of RAM.

    net = Stack(config_tiny, seed)

Its TCP is tcp_tiny/. Overridden as config.py is, by a module that begins with

    from stack.config_tiny import *
"""

from .config import *

TCP_TINY = True
ram = 4096  # bytes that all of it may take on a 32-bit machine; a test holds it to that

# Two buffers are all there is, for what comes and, as PBUF_RAM_SIZE is 0, for headers: while one
# is with the application (echo), the other receives the ACK that sets it free.
PBUF_POOL_SIZE = 2
PBUF_POOL_BUFSIZE = 400
PBUF_RAM_SIZE = 0
PBUF_REF_SIZE = 1  # text is sent at once: its REF pbuf is free again

RX_BUDGET = 2
ARP_TABLE_SIZE = 2
IP_OPTIONS = IP_FRAGMENT = False
IP_ROUTES = IP_REASS_MAX = 0
ICMP_ERRORS_PER_S = 2
NUM_UDP_PCB = 0

NUM_TCP_PCB = 2
NUM_TCP_LISTEN = 1
TCP_MSS = 340  # received; as much is sent as the peer takes
TCP_WND = 340
TCP_BACKLOG = 2
