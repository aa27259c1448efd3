/* Without libFuzzer: runs the inputs that are files of the command line. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int main(int count, char **names)
{
    int i;

    for (i = 1; i < count; i++) {
        FILE *file = fopen(names[i], "rb");
        uint8_t *data = malloc(1u << 20);
        size_t size;

        if ((file == NULL) || (data == NULL)) {
            return 2;
        }
        size = fread(data, 1, 1u << 20, file);
        (void)fclose(file);
        /* As large as the input, so that what reads past it is caught. */
        data = realloc(data, size + (size == 0u));
        (void)LLVMFuzzerTestOneInput(data, size);
        free(data);
    }
    return 0;
}
