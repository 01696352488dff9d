// What lwIP asks of a port. No diagnostics, no assertions: as MicroPython builds it.
#include <stdlib.h>
#define LWIP_PLATFORM_DIAG(x)
#define LWIP_PLATFORM_ASSERT(x) {}
#define LWIP_NO_CTYPE_H 1
