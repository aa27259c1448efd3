/* What the certifier and the generated network take of the C library, for a target without one. */
#ifndef QROBUST_WEB_STRING_H
#define QROBUST_WEB_STRING_H

#include <stddef.h>

void *memcpy(void *to, const void *from, size_t count);
void *memmove(void *to, const void *from, size_t count);
void *memset(void *to, int value, size_t count);

#endif /* QROBUST_WEB_STRING_H */
