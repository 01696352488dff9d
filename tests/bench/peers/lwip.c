// The programs of ../device.py on lwIP's raw API, on the bare board.
#include <string.h>
#include "lan9118.h"
#include "lwip/init.h"
#include "lwip/tcp.h"
#include "lwip/udp.h"

#define UART(offset) (*(volatile uint32_t *)(0x40004000u + (offset)))  // CMSDK UART 0

extern uint32_t stack_top, bss_start, bss_end;
int main(void);

static void put(const char *text) {
    while (*text) {
        while (UART(4) & 1) {
        }
        UART(0) = *text++;
    }
}

static void put_number(uint32_t n) {
    char digits[12];
    char *at = digits + sizeof(digits) - 1;
    *at = 0;
    do {
        *--at = '0' + n % 10;
    } while (n /= 10);
    *--at = ' ';
    put(at);
}

static void reset(void) {
    memset(&bss_start, 0, (char *)&bss_end - (char *)&bss_start);
    main();
}

static void fault(void) {
    put("FAULT\n");
    for (;;) {
    }
}

__attribute__((section(".vectors"), used)) static const void *const vectors[] = {
    &stack_top, reset, fault, fault, fault, fault, fault,
};

// Sink, source, echo, web page.

static char data[TCP_MSS];
static char page[] =
    "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 200\r\n\r\n"
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";

static err_t sink_received(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err) {
    if (!p) {
        return tcp_close(pcb);
    }
    tcp_recved(pcb, p->tot_len);
    pbuf_free(p);
    return ERR_OK;
}

static err_t sink_accepted(void *arg, struct tcp_pcb *pcb, err_t err) {
    tcp_recv(pcb, sink_received);
    return ERR_OK;
}

static void source_fill(struct tcp_pcb *pcb) {
    while (tcp_sndbuf(pcb) >= TCP_MSS && tcp_write(pcb, data, TCP_MSS, 0) == ERR_OK) {
    }
    tcp_output(pcb);
}

static err_t source_sent(void *arg, struct tcp_pcb *pcb, u16_t len) {
    source_fill(pcb);
    return ERR_OK;
}

static err_t source_accepted(void *arg, struct tcp_pcb *pcb, err_t err) {
    tcp_recv(pcb, sink_received);
    tcp_sent(pcb, source_sent);
    source_fill(pcb);
    return ERR_OK;
}

// Wait for the empty line. `arg` counts the line ends in a row.
static err_t http_received(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err) {
    uintptr_t ends = (uintptr_t)arg;
    if (!p) {
        return tcp_close(pcb);
    }
    for (struct pbuf *q = p; q; q = q->next) {
        for (int i = 0; i < q->len && ends < 2; i++) {
            char c = ((char *)q->payload)[i];
            ends = c == '\n' ? ends + 1 : c == '\r' ? ends : 0;
        }
    }
    tcp_recved(pcb, p->tot_len);
    pbuf_free(p);
    tcp_arg(pcb, (void *)ends);
    if (ends == 2) {
        tcp_write(pcb, page, sizeof(page) - 1, 0);
        tcp_recv(pcb, NULL);
        tcp_close(pcb);
    }
    return ERR_OK;
}

static err_t http_accepted(void *arg, struct tcp_pcb *pcb, err_t err) {
    tcp_recv(pcb, http_received);
    return ERR_OK;
}

static void echo(void *arg, struct udp_pcb *u, struct pbuf *p, const ip_addr_t *ip, u16_t port) {
    udp_sendto(u, p, ip, port);
    pbuf_free(p);
}

static void listen(u16_t port, tcp_accept_fn accepted) {
    struct tcp_pcb *pcb = tcp_new();
    tcp_bind(pcb, IP_ADDR_ANY, port);
    tcp_accept(tcp_listen_with_backlog(pcb, 5), accepted);
}

int main(void) {
    UART(0x10) = 16;
    UART(8) = 3;
    for (int i = 0; i < TCP_MSS; i++) {
        data[i] = i * 7;
    }
    board_start();
    listen(5001, sink_accepted);
    listen(5002, source_accepted);
    listen(80, http_accepted);
    struct udp_pcb *u = udp_new();
    udp_bind(u, IP_ADDR_ANY, 7);
    udp_recv(u, echo, NULL);
    put("lwIP " LWIP_VERSION_STRING "\n");
    order();  // the wire may not be there yet, and what we say would be lost
    for (;;) {
        memset(&meter, 0, sizeof(meter));
        while (step_begin()) {
            step_poll();
            step_end();
        }
        put("RESULT");
        put_number(meter.busy);
        put_number(meter.polls);
        put_number(meter.longest);
        put(" 0\n");
    }
}
