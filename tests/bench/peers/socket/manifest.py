# What the socket peer has frozen in.
module("server.py", "..")
