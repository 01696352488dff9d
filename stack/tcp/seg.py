"""The segment being processed, in two static register files.

SEG, filled by kernel.tcp_parse:

    0 SEQ   1 ACK   2 WND   3 UP   4 flags   5 header length   6 data length   7 SEG.LEN

OPT, filled by kernel.tcp_options:

    0 which options there are, a sum of: 1 MSS   2 window scale   4 SACK permitted   8 timestamps
      16 user timeout   32 Fast Open
    1 MSS, or its default    2 window scale    3 TSval    4 TSecr    14 user timeout
    5 how many blocks of SACK there are    6, 7 the first: its first byte, and that behind its last
    8 to 13 the others    15 where the Fast Open cookie is, 16 its length
"""

from array import array

SEG = array("I", [0] * 8)
OPT = array("I", [0] * 17)
