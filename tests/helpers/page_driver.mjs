// Uses the page as a person does: chooses, types, clicks, reads. Each job is one certificate:
// {sample, n, seed} or {file, n, seed}; what the page shows and offers then is posted. {offline: true}
// asks what is left without the server, {stop: true, n} stops a run.

const find = (id) => document.getElementById(id);
const post = (value) => fetch('posted', {method: 'POST', body: JSON.stringify(value)});
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function until(what, holds) {
  for (let i = 0; i < 1200; i++) {
    if (holds()) return;
    await pause(50);
  }
  throw new Error(`waited in vain: ${what}; the page says: ${find('verdict').textContent}`);
}

function set(id, value) {
  find(id).value = value;
  find(id).dispatchEvent(new Event('change'));
}

async function choose(name) {
  const answer = await fetch(name);
  const files = new DataTransfer();
  files.items.add(new File([await answer.arrayBuffer()], name, {type: 'image/png'}));
  find('picture').files = files.files;
  find('input-note').textContent = '';
  find('picture').dispatchEvent(new Event('change'));
  await until('the picture', () => find('input-note').textContent !== '');
}

async function base64(blob) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  return btoa(String.fromCharCode(...bytes));
}

async function run(job) {
  if (job.file) await choose(job.file);
  else set('sample', job.sample);
  set('samples', job.n);
  set('seed', job.seed ?? '');
  let copies = 0;
  const watch = new MutationObserver((changes) => { copies += changes.some((c) => c.addedNodes.length); });
  watch.observe(find('copies'), {childList: true});
  const began = performance.now();
  const end = new Promise((resolve) => document.addEventListener('certified', resolve, {once: true}));
  find('certify').click();
  const {detail} = await end;
  const seconds = (performance.now() - began) / 1000;
  watch.disconnect();
  const rows = [...find('votes').tBodies[0].rows];
  return {
    certificate: detail.certificate, journal: detail.journal, data: await base64(detail.data),
    verdict: find('verdict').textContent, meaning: find('meaning').textContent,
    shown: rows.map((row) => Number(row.cells[1].textContent.replaceAll(',', ''))),
    note: find('input-note').textContent, copies, seconds,
  };
}

/** Starts a long run, stops it, and says what the page shows when nothing more can come. */
async function stopped({n}) {
  set('samples', n);
  find('certify').click();
  await until('a copy', () => find('copies').children.length > 0);
  find('stop').click();
  await pause(500);
  return {verdict: find('verdict').textContent, again: !find('certify').disabled};
}

/** What works once the server gives nothing any more: every file, and a new worker. */
async function withoutServer() {
  await navigator.serviceWorker.ready;
  await until('the service worker', () => navigator.serviceWorker.controller !== null);
  await fetch('down', {method: 'POST', body: '{}'});
  const missing = [];
  const text = await (await fetch('./')).text();
  for (const name of ['index.html', 'page.js', 'model.json', 'samples.npy', 'certify.wasm', 'gone.js']) {
    if (!(await fetch(name)).ok) missing.push(name);
  }
  const worker = new Worker('worker.js', {type: 'module'});
  const loaded = new Promise((resolve) => { worker.onmessage = ({data}) => resolve(data.kind); });
  const module = await (await fetch('certify.wasm')).arrayBuffer();
  worker.postMessage({kind: 'load', module, tables: {}});
  return {missing, worker: await loaded, page: text.includes('Certified on this device')};
}

// Errors of the page itself, blocked requests among them, fail the job.
let broken = null;
addEventListener('error', (event) => { broken ??= event.message || `cannot load ${event.target?.src}`; }, true);
addEventListener('unhandledrejection', (event) => { broken ??= String(event.reason); });
document.addEventListener('securitypolicyviolation', (event) => { broken ??= `blocked: ${event.blockedURI}`; });

try {
  const jobs = await (await fetch('jobs.json')).json();
  await until('the network', () => !find('certify').disabled && input_is_there());
  for (const job of jobs) {
    const found = job.offline ? await withoutServer()
      : job.stop ? await stopped(job) : await run(job);
    await post(broken === null ? found : {failed: broken});
  }
} catch (error) {
  await post({failed: String(error?.stack ?? error)});
}

function input_is_there() {
  return find('sample').options.length > 0;
}
