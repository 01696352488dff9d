"""The same as pc_lwpy.py on PyTCP 2.7."""

import sys
import threading

from pytcp import TcpIpStack, config
from pytcp.lib import socket

config.LOG_CHANEL = set()
stack = TcpIpStack(
    interface="tap0",
    mac_address="02:00:0a:4d:00:02",
    ip4_address="10.77.0.2/24",
    ip4_gateway="10.77.0.1",
)
config.IP6_SUPPORT = False
stack.start()


def listen(port):
    s = socket.socket()
    s.bind(("10.77.0.2", port))
    s.listen()
    return s


def serve(listener, program):
    while True:
        program(listener.accept()[0])


def sink(c):
    while c.recv(65536):
        pass


def source(c):
    c.send(bytes(16 << 20))  # its buffer has no end


for port, program in ((5001, sink), (5002, source)):
    threading.Thread(target=serve, args=(listen(port), program)).start()
print("ready", flush=True)
sys.stdin.read()
