// A polled LAN9118 below lwIP, as plain as hal/lan9118.py, and the benchmark's lock-step.
#include <string.h>
#include "lan9118.h"
#include "lwip/etharp.h"
#include "lwip/init.h"
#include "lwip/timeouts.h"
#include "netif/ethernet.h"

#define LAN(offset) (*(volatile uint32_t *)(0x40200000u + (offset)))
enum {
    RX_FIFO = 0x00, TX_FIFO = 0x20, RX_STATUS = 0x40, TX_STATUS = 0x48, IRQ_CFG = 0x54,
    INT_STS = 0x58, INT_EN = 0x5c, BYTE_TEST = 0x64, RX_CFG = 0x6c, TX_CFG = 0x70, HW_CFG = 0x74,
    RX_FIFO_INF = 0x7c, TX_FIFO_INF = 0x80, MAC_CMD = 0xa4, MAC_DATA = 0xa8, AFC_CFG = 0xac,
};
enum { MAC_CR = 1, ADDRH = 2, ADDRL = 3, MII_ACC = 6, MII_DATA = 7 };  // of the MAC
enum { BCR = 0, BSR = 1, ANAR = 4 };                                   // of the PHY
enum { READY = 0x88b5, END = 0xff };

static struct netif en0;
static uint32_t now_ms;

// The controller.

static void mac_command(uint32_t command) {
    LAN(MAC_CMD) = command;
    while (LAN(MAC_CMD) & 0x80000000u) {
    }
}

static void mac_write(uint32_t reg, uint32_t value) {
    LAN(MAC_DATA) = value;
    mac_command(0x80000000u | reg);
}

static uint32_t mac_read(uint32_t reg) {
    mac_command(0xc0000000u | reg);
    return LAN(MAC_DATA);
}

static void phy_write(uint32_t reg, uint32_t value) {
    mac_write(MII_DATA, value);
    mac_write(MII_ACC, 1 << 11 | reg << 6 | 3);
}

static uint32_t phy_read(uint32_t reg) {
    mac_write(MII_ACC, 1 << 11 | reg << 6 | 1);
    return mac_read(MII_DATA);
}

static void lan_start(void) {
    (void)LAN(BYTE_TEST);
    LAN(HW_CFG) = 1;
    while (LAN(HW_CFG) & 1) {
    }
    LAN(HW_CFG) = 0x00150000;
    LAN(AFC_CFG) = 0x006e3740;
    LAN(IRQ_CFG) = LAN(INT_EN) = 0;
    LAN(INT_STS) = 0xffffffffu;
    phy_write(BCR, 0x8000);
    phy_write(ANAR, 0x01e1);
    phy_write(BCR, 0x1200);
    while ((phy_read(BSR) & 0x24) != 0x24) {
    }
    LAN(RX_CFG) = 0;
    LAN(TX_CFG) = 2;
    mac_write(MAC_CR, 0x0010000c);
}

static uint32_t frames_waiting(void) {
    return LAN(RX_FIFO_INF) >> 16 & 0xff;
}

__attribute__((noinline)) static void fifo_get(uint32_t *to, uint32_t words) {
    while (words--) {
        *to++ = LAN(RX_FIFO);
    }
}

__attribute__((noinline)) static void fifo_put(const uint32_t *from, uint32_t words) {
    while (words--) {
        LAN(TX_FIFO) = *from++;
    }
}

static void receive(struct netif *netif) {
    uint32_t len = LAN(RX_STATUS) >> 16 & 0x3fff;  // with its CRC
    uint32_t words = (len + 3) / 4;
    struct pbuf *p = pbuf_alloc(PBUF_RAW, len - 4, PBUF_POOL);
    for (struct pbuf *q = p; q; q = q->next) {
        uint32_t n = (q->len + 3) / 4;
        fifo_get(q->payload, n);
        words -= n;
    }
    while (words--) {
        (void)LAN(RX_FIFO);
    }
    if (p && netif->input(p, netif) != ERR_OK) {
        pbuf_free(p);
    }
}

static err_t transmit(struct netif *netif, struct pbuf *p) {
    uint32_t total = p->tot_len, first = 1 << 13;
    while ((LAN(TX_FIFO_INF) & 0xffff) < total + 32) {
    }
    for (struct pbuf *q = p; q; q = q->next) {
        uint32_t lead = (uintptr_t)q->payload & 3, last = q->len == q->tot_len;
        LAN(TX_FIFO) = lead << 16 | first | last << 12 | q->len;
        LAN(TX_FIFO) = 1 << 16 | total;
        fifo_put((const uint32_t *)((uintptr_t)q->payload - lead), (q->len + lead + 3) / 4);
        first = 0;
        if (last) {
            break;
        }
    }
    (void)LAN(TX_STATUS);
    return ERR_OK;
}

// The netif.

static err_t start_netif(struct netif *netif) {
    uint32_t low = mac_read(ADDRL), high = mac_read(ADDRH);
    memcpy(netif->hwaddr, &low, 4);
    memcpy(netif->hwaddr + 4, &high, 2);
    netif->hwaddr_len = 6;
    netif->name[0] = 'e';
    netif->name[1] = 'n';
    netif->mtu = 1500;
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET |
                   NETIF_FLAG_LINK_UP | NETIF_FLAG_IGMP;
    netif->output = etharp_output;
    netif->linkoutput = transmit;
    NETIF_SET_CHECKSUM_CTRL(netif, NETIF_CHECKSUM_ENABLE_ALL);
    return ERR_OK;
}

void board_start(void) {
    ip4_addr_t ip, mask, gateway;
    IP4_ADDR(&ip, 10, 77, 0, 2);
    IP4_ADDR(&mask, 255, 255, 255, 0);
    IP4_ADDR(&gateway, 10, 77, 0, 1);
    TIMER(8) = 0xffffffffu;
    TIMER(0) = 1;
    lwip_init();
    lan_start();
    netif_add(&en0, &ip, &mask, &gateway, NULL, start_netif, ethernet_input);
    netif_set_default(&en0);
    netif_set_up(&en0);
}

u32_t sys_now(void) {
    return now_ms;
}

uint32_t peer_rand(void) {
    static uint32_t x = 1;
    return x = x * 1664525u + 1013904223u;
}

// The lock-step.

struct meter meter;
static uint32_t started;
static bool counts;

const uint8_t *order(void) {
    static uint32_t frame[512];
    while (!frames_waiting()) {
    }
    fifo_get(frame, ((LAN(RX_STATUS) >> 16 & 0x3fff) + 3) / 4);
    return (const uint8_t *)frame + 14;
}

bool step_begin(void) {
    static uint32_t ready[15] = {0xffffffffu, 0x0000ffffu};
    memcpy((char *)ready + 6, en0.hwaddr, 6);
    ((uint8_t *)ready)[12] = READY >> 8;
    ((uint8_t *)ready)[13] = READY & 0xff;
    LAN(TX_FIFO) = 3 << 12 | sizeof(ready);
    LAN(TX_FIFO) = 1 << 16 | sizeof(ready);
    fifo_put(ready, sizeof(ready) / 4);
    (void)LAN(TX_STATUS);
    const uint8_t *body = order();
    if (body[0] == END) {
        return false;
    }
    counts = body[1];
    now_ms += body[2] << 8 | body[3];
    while (frames_waiting() < body[0]) {
    }
    started = TICKS();
    return true;
}

void step_poll(void) {
    while (frames_waiting()) {
        receive(&en0);
    }
    sys_check_timeouts();
}

void step_end(void) {
    uint32_t ticks = TICKS() - started;
    if (counts) {
        meter.busy += ticks;
        meter.polls++;
        meter.longest = ticks > meter.longest ? ticks : meter.longest;
    }
}
