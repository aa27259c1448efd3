// Answers JSON lines: {"model", "inputs", "outputs", "shape"} names files of raw bytes.
// Started as: node node_worker.mjs NODE_MODULES

import {readFileSync, writeFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import path from 'node:path';
import readline from 'node:readline';
import {pathToFileURL} from 'node:url';

import {runAll} from './litert_run.mjs';

const answer = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);
// What libraries print must not land between the answers.
console.log = console.info = console.debug = console.error;

// LiteRT.js is made for browsers: it loads its wasm glue with a web worker's `importScripts`. The
// glue itself knows Node, as a CommonJS file.
globalThis.self ??= globalThis;
globalThis.importScripts = (file) => {
  const source = `${readFileSync(file, 'utf8')}\nglobalThis.ModuleFactory = ModuleFactory;`;
  new Function('require', '__dirname', source)(createRequire(file), path.dirname(file));
};

const litert = path.join(process.argv[2], '@litertjs', 'core');
const core = await import(pathToFileURL(path.join(litert, 'dist', 'index.js')));
// Always the build without relaxed SIMD, whatever this Node has: it is what older phones get, and
// the browser target covers the other one.
await core.loadLiteRt(path.join(litert, 'wasm', 'litert_wasm_compat_internal.js'));

for await (const line of readline.createInterface({input: process.stdin})) {
  try {
    const {model, inputs, outputs, shape} = JSON.parse(line);
    const read = (file) => new Uint8Array(readFileSync(file));
    const onDone = (done) => answer({done});
    writeFileSync(outputs, await runAll(core, read(model), read(inputs), shape, onDone));
    answer({ok: true});
  } catch (error) {
    answer({error: String(error)});
  }
}
process.exit(0);
