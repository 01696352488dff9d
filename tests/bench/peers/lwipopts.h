// lwIP's options: MicroPython 1.25's own (extmod/lwip-include/lwipopts_common.h), with its largest
// set of TCP buffers. The bare peer has the same, less what it does not link.
#ifndef LWIPOPTS_H
#define LWIPOPTS_H
#include <stdint.h>

extern uint32_t peer_rand(void);
#define LWIP_RAND() peer_rand()
#define LWIP_IPV4 1
#define LWIP_IPV6 0
#define MEM_SIZE 16000
#define TCP_MSS 1460
#define TCP_WND (8 * TCP_MSS)
#define TCP_SND_BUF (8 * TCP_MSS)
#define MEMP_NUM_TCP_SEG 32
#define PBUF_POOL_SIZE 24

#ifdef PEER_SOCKET
#define LWIP_LOOPIF_MULTICAST 1
#define LWIP_LOOPBACK_MAX_PBUFS 8
#include "extmod/lwip-include/lwipopts_common.h"
#else
#define SYS_ARCH_DECL_PROTECT(level)
#define SYS_ARCH_PROTECT(level)
#define SYS_ARCH_UNPROTECT(level)
typedef uint32_t sys_prot_t;
#define NO_SYS 1
#define SYS_LIGHTWEIGHT_PROT 1
#define MEM_ALIGNMENT 4
#define LWIP_CHKSUM_ALGORITHM 3
#define LWIP_CHECKSUM_CTRL_PER_NETIF 1
#define LWIP_ARP 1
#define LWIP_ETHERNET 1
#define LWIP_RAW 1
#define LWIP_NETCONN 0
#define LWIP_SOCKET 0
#define LWIP_STATS 0
#define LWIP_DHCP 1
#define LWIP_DHCP_DOES_ACD_CHECK 0
#define LWIP_DNS 1
#define LWIP_IGMP 1
#define SO_REUSE 1
#define TCP_LISTEN_BACKLOG 1
#define MEMP_NUM_UDP_PCB 5
#endif
#endif
