/* The board's services on a computer: files and text of the C library, no meter. */
#include <stdio.h>
#include <stdlib.h>

#include "meter.h"
#include "semihost.h"

static FILE *opened;

int32_t semihost_open(const char *path, int32_t mode)
{
    opened = fopen(path, (mode == SEMIHOST_READ) ? "rb" : "wb");
    return (opened == NULL) ? -1 : 0;
}

int32_t semihost_read(int32_t file, void *data, uint32_t size)
{
    (void)file;
    return (fread(data, 1, size, opened) == size) ? 0 : -1;
}

int32_t semihost_write(int32_t file, const void *data, uint32_t size)
{
    (void)file;
    return (fwrite(data, 1, size, opened) == size) ? 0 : -1;
}

void semihost_close(int32_t file)
{
    (void)file;
    (void)fclose(opened);
}

void semihost_print(const char *text)
{
    (void)fputs(text, stdout);
}

void semihost_exit(int32_t status)
{
    exit(status);
}

void meter_start(void)
{
}

uint32_t meter_ticks(void)
{
    return 0;
}

uint32_t meter_between(uint32_t from, uint32_t to)
{
    return to - from;
}

uint32_t meter_million(void)
{
    return 0;
}

void meter_paint_stack(void)
{
}

uint32_t meter_stack_used(void)
{
    return 0;
}
