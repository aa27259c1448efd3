// Fetches one job from the server that served the page, runs it, and posts what came out.

const post = (path, body) => fetch(path, {method: 'POST', body});
const bytes = async (path) => new Uint8Array(await (await fetch(path)).arrayBuffer());

try {
  // Not imported statically: an error while loading has to be posted too.
  const core = await import('@litertjs/core');
  const {runAll} = await import('/litert_run.mjs');
  // A directory: LiteRT.js picks its build by what this browser can do.
  await core.loadLiteRt('/npm/@litertjs/core/wasm/');
  const relaxed = await core.supportsFeature('relaxedSimd');
  await post('/build', relaxed ? 'wasm relaxed SIMD' : 'wasm');
  const shape = await (await fetch('/job/shape')).json();
  const onDone = (done) => void post('/done', String(done));
  const job = [await bytes('/job/model'), await bytes('/job/inputs')];
  await post('/outputs', await runAll(core, ...job, shape, onDone));
} catch (error) {
  await post('/error', String(error?.stack ?? error));
}
