"""What TCP counts (see ../stats.py), and each counter's index."""

NAMES = tuple(
    (
        "rx tx rst_rx rst_tx rexmit timeout fast_rexmit probe dup_ack ooseq bad_len bad_hlen "
        "challenge_limit icmp_seq mtu_cut mtu_ignored blackhole "
        "bad_cksum group no_pcb not_acceptable bad_ack challenge no_ack no_pbuf no_mem busy "
        "backlog_full no_pcb_free ooseq_full refused window_full open_active open_passive gave_up "
        "unreachable throttled pool_low ignored no_ts paws ce_rx ece_rx ecn_cut ecn_fallback "
        "cookies_sent cookies_ok cookies_bad evicted "
        "fastopen_sent fastopen_acked fastopen_refused fastopen_lost fastopen_taken fastopen_bad "
        "fastopen_full "
        "keep_probe "
        "sacked_seg bad_sack dsack_rx reneged lost_seg reordered tlp spurious"
    ).split()
)
(
    RX,
    TX,
    RST_RX,
    RST_TX,
    REXMIT,
    TIMEOUT,
    FAST_REXMIT,
    PROBE,
    DUP_ACK,
    OOSEQ,
    BAD_LEN,
    BAD_HLEN,
    CHALLENGE_LIMIT,
    ICMP_SEQ,
    MTU_CUT,
    MTU_IGNORED,
    BLACKHOLE,
    BAD_CKSUM,
    GROUP,
    NO_PCB,
    NOT_ACCEPTABLE,
    BAD_ACK,
    CHALLENGE,
    NO_ACK,
    NO_PBUF,
    NO_MEM,
    BUSY,
    BACKLOG_FULL,
    NO_PCB_FREE,
    OOSEQ_FULL,
    REFUSED,
    WINDOW_FULL,
    OPEN_ACTIVE,
    OPEN_PASSIVE,
    GAVE_UP,
    UNREACHABLE,
    THROTTLED,
    POOL_LOW,
    IGNORED,
    NO_TS,
    PAWS,
    CE_RX,
    ECE_RX,
    ECN_CUT,
    ECN_FALLBACK,
    COOKIES_SENT,
    COOKIES_OK,
    COOKIES_BAD,
    EVICTED,
    FASTOPEN_SENT,
    FASTOPEN_ACKED,
    FASTOPEN_REFUSED,
    FASTOPEN_LOST,
    FASTOPEN_TAKEN,
    FASTOPEN_BAD,
    FASTOPEN_FULL,
    KEEP_PROBE,
    SACKED_SEG,
    BAD_SACK,
    DSACK_RX,
    RENEGED,
    LOST_SEG,
    REORDERED,
    TLP,
    SPURIOUS,
) = range(len(NAMES))
