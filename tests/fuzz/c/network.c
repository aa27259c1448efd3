/* libFuzzer's entry to generated networks: any integers of their inputs' grids, in any order.
 *
 * The first byte chooses the network of `networks.inc`, which tests/fuzz/c_programs.py writes; the
 * rest are its inputs, over and over where they are short. A run depends on its inputs and on
 * nothing that an earlier run left in the arena: the same ones again, after others, give the same
 * outputs. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "networks.inc"

typedef struct {
    int8_t *(*input)(uint32_t index);
    const int8_t *(*output)(uint32_t index);
    void (*run)(void);
    const int32_t (*input_ranges)[2];
    const uint32_t *input_sizes;
    const uint32_t *output_sizes;
    uint32_t inputs;
    uint32_t outputs;
} network_t;

#define NETWORK(name)                                                                             \
    {name##_input,       name##_output,       name##_run, name##_input_ranges,                    \
     name##_input_sizes, name##_output_sizes, sizeof(name##_input_sizes) / sizeof(uint32_t),       \
     sizeof(name##_output_sizes) / sizeof(uint32_t)},

static const network_t networks[] = {NETWORKS};

static void run(const network_t *network, const uint8_t *data, size_t size, size_t start)
{
    size_t at = start;
    uint32_t i;
    uint32_t k;

    for (k = 0; k < network->inputs; k++) {
        const int32_t low = network->input_ranges[k][0];
        const int32_t values = network->input_ranges[k][1] - low + 1;
        int8_t *input = network->input(k);

        for (i = 0; i < network->input_sizes[k]; i++) {
            input[i] = (int8_t)(low + ((int32_t)(data[at % size] ^ (at / size & 0xFFu)) % values));
            at++;
        }
    }
    if (network->input(network->inputs) != NULL) {
        abort();
    }
    network->run();
}

/* FNV-1a of all outputs. */
static uint64_t digest(const network_t *network)
{
    uint64_t sum = 0xCBF29CE484222325u;
    uint32_t i;
    uint32_t k;

    for (k = 0; k < network->outputs; k++) {
        const int8_t *output = network->output(k);

        for (i = 0; i < network->output_sizes[k]; i++) {
            sum = (sum ^ (uint8_t)output[i]) * 0x100000001B3u;
        }
    }
    if (network->output(network->outputs) != NULL) {
        abort();
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size >= 2u) {
        const network_t *network = &networks[data[0] % (sizeof(networks) / sizeof(networks[0]))];
        uint64_t first;

        run(network, &data[1], size - 1u, 0);
        first = digest(network);
        run(network, &data[1], size - 1u, 1);
        run(network, &data[1], size - 1u, 0);
        if (digest(network) != first) {
            abort();
        }
    }
    return 0;
}
