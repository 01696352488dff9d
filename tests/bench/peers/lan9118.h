// The board as the peers see it: LAN9118, timer, and the benchmark's lock-step (../device.py).
#include <stdbool.h>
#include <stdint.h>
#include "lwip/netif.h"

#define TIMER(offset) (*(volatile uint32_t *)(0x40000000u + (offset)))  // CMSDK timer 0, 25 MHz
#define TICKS() (0xffffffffu - TIMER(4))

// What a run has measured: ticks spent in steps that counted, how many, and the longest.
struct meter {
    uint32_t busy, polls, longest;
};
extern struct meter meter;

// Start the timer, the controller and lwIP; 10.77.0.2 is ours.
void board_start(void);
// Wait for a frame of the benchmark's, and return what it says.
const uint8_t *order(void);
// Say that we are ready, obey the peer's order, wait for its frames, and look at the clock. False
// at the end of the run: the meter's figures are final.
bool step_begin(void);
// Take all frames that have arrived, then run lwIP's timers.
void step_poll(void);
// What step_begin() began is done.
void step_end(void);
