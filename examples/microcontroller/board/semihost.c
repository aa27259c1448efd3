#include "semihost.h"

#include <string.h>

enum {
    SYS_OPEN = 0x01,
    SYS_CLOSE = 0x02,
    SYS_WRITE0 = 0x04,
    SYS_WRITE = 0x05,
    SYS_READ = 0x06,
    SYS_EXIT_EXTENDED = 0x20,
    APPLICATION_EXIT = 0x20026
};

static int32_t semihost(int32_t operation, const void *arguments)
{
    register int32_t r0 __asm("r0") = operation;
    register const void *r1 __asm("r1") = arguments;

    __asm volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

int32_t semihost_open(const char *path, int32_t mode)
{
    const uint32_t block[3] = {(uint32_t)path, (uint32_t)mode, (uint32_t)strlen(path)};

    return semihost(SYS_OPEN, block);
}

int32_t semihost_read(int32_t file, void *data, uint32_t size)
{
    const uint32_t block[3] = {(uint32_t)file, (uint32_t)data, size};

    return semihost(SYS_READ, block);
}

int32_t semihost_write(int32_t file, const void *data, uint32_t size)
{
    const uint32_t block[3] = {(uint32_t)file, (uint32_t)data, size};

    return semihost(SYS_WRITE, block);
}

void semihost_close(int32_t file)
{
    const uint32_t block[1] = {(uint32_t)file};

    (void)semihost(SYS_CLOSE, block);
}

void semihost_print(const char *text)
{
    (void)semihost(SYS_WRITE0, text);
}

void semihost_exit(int32_t status)
{
    const uint32_t block[2] = {APPLICATION_EXIT, (uint32_t)status};

    (void)semihost(SYS_EXIT_EXTENDED, block);
    for (;;) {
    }
}
