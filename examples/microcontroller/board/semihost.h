/* Files and the end of the program, by way of the debugger or emulator (ARM semihosting). */
#ifndef SEMIHOST_H
#define SEMIHOST_H

#include <stdint.h>

enum { SEMIHOST_READ = 1, SEMIHOST_WRITE = 5 }; /* "rb" and "wb" */

/* Opens a file of the host; a negative number where that fails. */
int32_t semihost_open(const char *path, int32_t mode);

/* Reads or writes exactly `size` bytes; 0 when done, anything else when not. */
int32_t semihost_read(int32_t file, void *data, uint32_t size);
int32_t semihost_write(int32_t file, const void *data, uint32_t size);

void semihost_close(int32_t file);

/* Text on the host's console. */
void semihost_print(const char *text);

/* Ends the program; status 0 means success. */
void semihost_exit(int32_t status);

#endif /* SEMIHOST_H */
