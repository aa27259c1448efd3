/* From reset to main() on any Cortex-M: memory, stack, vectors; no C library. */
#include <stdint.h>
#include <string.h>

#include "semihost.h"

extern uint32_t data_load[], data_start[], data_end[], bss_start[], bss_end[], stack_top[];

int main(void);

void reset(void) __attribute__((noreturn));

static void fault(void)
{
    semihost_print("fault\n");
    semihost_exit(2);
}

void reset(void)
{
    volatile uint32_t *const cpacr = (volatile uint32_t *)0xE000ED88u;
    uint32_t i;
    const uint32_t words = (uint32_t)(data_end - data_start);

    /* Vector registers, where the core has them; elsewhere these bits stay zero. */
    *cpacr |= 0xFu << 20;
    __asm volatile("dsb\n\tisb" : : : "memory");
    for (i = 0; i < words; i++) {
        data_start[i] = data_load[i];
    }
    (void)memset(bss_start, 0, (uint32_t)((uint8_t *)bss_end - (uint8_t *)bss_start));
    semihost_exit(main());
    for (;;) {
    }
}

__attribute__((section(".vectors"), used)) static const uintptr_t vectors[16] = {
    (uintptr_t)stack_top,
    (uintptr_t)reset,
    (uintptr_t)fault,
    (uintptr_t)fault,
    (uintptr_t)fault,
    (uintptr_t)fault,
    (uintptr_t)fault,
    (uintptr_t)fault,
};
