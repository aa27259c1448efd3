/* What clang may call of the C library: there is none in a module that imports nothing. */
#include <string.h>

void *memcpy(void *to, const void *from, size_t bytes)
{
    __builtin_memcpy(to, from, bytes);
    return to;
}

void *memmove(void *to, const void *from, size_t bytes)
{
    __builtin_memmove(to, from, bytes);
    return to;
}

void *memset(void *to, int value, size_t bytes)
{
    __builtin_memset(to, value, bytes);
    return to;
}
