#include "meter.h"

#define SYST_CSR (*(volatile uint32_t *)0xE000E010u)
#define SYST_RVR (*(volatile uint32_t *)0xE000E014u)
#define SYST_CVR (*(volatile uint32_t *)0xE000E018u)

static const uint32_t full = 0x00FFFFFFu;
static const uint32_t pattern = 0xA5A5A5A5u;

extern uint32_t stack_bottom[];

static uint32_t *painted_from; /* the stack pointer when it was painted */

void meter_start(void)
{
    SYST_RVR = full;
    SYST_CVR = 0;
    SYST_CSR = 5u; /* on, core clock, no interrupt */
}

uint32_t meter_ticks(void)
{
    return full - SYST_CVR;
}

uint32_t meter_between(uint32_t from, uint32_t to)
{
    return (to - from) & full;
}

uint32_t meter_million(void)
{
    const uint32_t from = meter_ticks();
    uint32_t rounds = 500000u;

    __asm volatile("1: subs %0, %0, #1\n\tbne 1b" : "+r"(rounds) : : "cc");
    return meter_between(from, meter_ticks());
}

static uint32_t *stack_pointer(void)
{
    uint32_t *pointer;

    __asm volatile("mov %0, sp" : "=r"(pointer));
    return pointer;
}

void meter_paint_stack(void)
{
    uint32_t *at;

    painted_from = stack_pointer();
    /* This function's own frame may still grow below the pointer just read: leave it alone. */
    for (at = stack_bottom; at < (painted_from - 32); at++) {
        *(volatile uint32_t *)at = pattern;
    }
}

uint32_t meter_stack_used(void)
{
    const uint32_t *at = stack_bottom;

    while ((at < painted_from) && (*(const volatile uint32_t *)at == pattern)) {
        at++;
    }
    return (uint32_t)((const uint8_t *)painted_from - (const uint8_t *)at);
}
