"""What the tiny TCP counts (see ../stats.py), and each counter's index. The names mean what they
mean in ../tcp/count.py."""

NAMES = tuple(
    (
        "rx tx rst_rx rst_tx rexmit timeout probe ooseq bad_len bad_hlen bad_cksum group no_pcb "
        "not_acceptable bad_ack challenge no_ack no_pbuf no_mem backlog_full no_pcb_free refused "
        "window_full open_active open_passive gave_up unreachable throttled pool_low ignored "
        "icmp_seq"
    ).split()
)
(
    RX,
    TX,
    RST_RX,
    RST_TX,
    REXMIT,
    TIMEOUT,
    PROBE,
    OOSEQ,
    BAD_LEN,
    BAD_HLEN,
    BAD_CKSUM,
    GROUP,
    NO_PCB,
    NOT_ACCEPTABLE,
    BAD_ACK,
    CHALLENGE,
    NO_ACK,
    NO_PBUF,
    NO_MEM,
    BACKLOG_FULL,
    NO_PCB_FREE,
    REFUSED,
    WINDOW_FULL,
    OPEN_ACTIVE,
    OPEN_PASSIVE,
    GAVE_UP,
    UNREACHABLE,
    THROTTLED,
    POOL_LOW,
    IGNORED,
    ICMP_SEQ,
) = range(len(NAMES))
