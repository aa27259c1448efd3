/* Instructions and stack, measured on the device itself. */
#ifndef METER_H
#define METER_H

#include <stdint.h>

/* Starts the core's SysTick as a free-running counter and learns how many instructions a tick is
 * (under `qemu -icount shift=0`, always the same number). */
void meter_start(void);

/* Ticks since meter_start, for intervals up to 16 million of them. */
uint32_t meter_ticks(void);
uint32_t meter_between(uint32_t from, uint32_t to);

/* Ticks of a loop of a million instructions: the unit that turns ticks to instructions. */
uint32_t meter_million(void);

/* Fills the unused stack with a pattern; later the deepest byte that lost it is the high-water
 * mark, in bytes below where it was painted. */
void meter_paint_stack(void);
uint32_t meter_stack_used(void);

#endif /* METER_H */
