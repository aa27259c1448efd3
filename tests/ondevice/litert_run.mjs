// Runs a LiteRT.js model over many inputs; the same code in Node and in a browser.

const REPORT_EVERY_MS = 10000;

/**
 * Compiles for the CPU (wasm, XNNPACK) and runs the inputs one by one.
 *
 * @param core The module @litertjs/core, its wasm already loaded.
 * @param {Uint8Array} model A .tflite with one uint8 input and one uint8 output.
 * @param {Uint8Array} inputs All inputs, one after the other.
 * @param {number[]} shape The shape of one input, batch dimension 1 included.
 * @param {(done: number) => void} onDone Called every few seconds.
 * @returns {Promise<Uint8Array>} All outputs, one after the other.
 */
export async function runAll(core, model, inputs, shape, onDone) {
  const compiled = await core.loadAndCompile(model, {accelerator: 'wasm'});
  try {
    const size = shape.reduce((product, length) => product * length, 1);
    const count = inputs.length / size;
    let outputs = null;
    let last = performance.now();
    for (let i = 0; i < count; i++) {
      const input = new core.Tensor(inputs.subarray(i * size, (i + 1) * size), shape);
      const results = await compiled.run([input]);
      const values = await results[0].data();
      if (!(values instanceof Uint8Array)) {
        throw new Error(`the output is a ${values.constructor.name}, not a Uint8Array`);
      }
      outputs ??= new Uint8Array(count * values.length);
      outputs.set(values, i * values.length);
      // LiteRT.js frees nothing by itself.
      for (const tensor of [input, ...results]) tensor.delete();
      if (performance.now() - last > REPORT_EVERY_MS) {
        last = performance.now();
        onDone(i + 1);
      }
    }
    return outputs;
  } finally {
    compiled.delete();
  }
}
