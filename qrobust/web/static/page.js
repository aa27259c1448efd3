// The page: where pictures come from, what the worker is asked, and how its answers are shown.

import {PILOT} from './certifier.js';
import {listenToDrawing} from './drawing.js';
import {dataSha256, derived, inputSha256, journal, keyText, npy, npyBytes, Real} from './journal.js';
import {show, toPixels} from './picture.js';
import {Pool} from './pool.js';

const STEPS = 65536; // radii come in 2^-16 of an input step
const SHOWN_COPIES = 8;
const find = (id) => document.getElementById(id);
const named = (label) => about.labels?.[label] ?? String(label);
const fetched = async (path) => {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path} is missing (status ${answer.status})`);
  return answer;
};

let about; // model.json
let samples = null; // pixels of all of them
let input = null; // {pixels, index, whole, shape}: what is certified, and the data it stands in
let pool = null;
let running = null; // the run whose news are shown
let stream = null;

async function start() {
  about = await (await fetched('model.json')).json();
  const tables = Object.fromEntries(about.runs.map(({samples: n, tables: text}) =>
    [n, new Uint32Array(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer)]));
  const module = await (await fetched('certify.wasm')).arrayBuffer();
  pool = await Pool.load(module, tables);
  const {width, height, channels} = about.input;
  find('about').textContent = `${about.name}: ${width} x ${height} pixels, `
    + `${channels === 1 ? 'grey' : 'colour'}, ${about.classes} classes, noise of sigma `
    + `${about.sigma}. Nothing leaves this device.`;
  for (const {samples: n, alpha} of about.runs) {
    find('samples').add(new Option(`${n.toLocaleString('en')} (alpha = ${alpha})`, n));
  }
  find('invert-row').hidden = find('drawing-row').hidden = channels !== 1;
  listRows();
  if (about.samples) await loadSamples();
  busy(false);
}

async function loadSamples() {
  samples = npyBytes(await (await fetched('samples.npy')).arrayBuffer());
  about.samples.labels.forEach((label, i) => {
    find('sample').add(new Option(`${i + 1}${label === null ? '' : `: ${named(label)}`}`, i));
  });
  find('sample-row').hidden = false;
  takeSample();
}

// ---- the input

function take(pixels, note, index = 0, whole = pixels, count = 1) {
  const {width, height, channels} = about.input;
  input = {pixels, index, whole, shape: [count, height, width, channels]};
  show(find('seen'), pixels, about.input);
  find('input-note').textContent = note;
}

function takeSample() {
  const size = samples.length / about.samples.labels.length;
  const index = Number(find('sample').value);
  const pixels = samples.slice(index * size, (index + 1) * size);
  take(pixels, '', index, samples, about.samples.labels.length);
}

function takeImage(source, wide, high, note, swap = find('invert').checked) {
  const pixels = toPixels(source, wide, high, about.input);
  take(swap && about.input.channels === 1 ? pixels.map((value) => 255 - value) : pixels, note);
}

let again = null; // the last picture, for the other way round
async function takeFile() {
  const [file] = find('picture').files;
  if (!file) return;
  try {
    const image = await createImageBitmap(file, {colorSpaceConversion: 'none'});
    const exact = image.width === about.input.width && image.height === about.input.height;
    const note = exact ? 'Taken pixel by pixel.' : `${image.width} x ${image.height} pixels, cut to the `
      + `middle and averaged to ${about.input.width} x ${about.input.height}; that is what is certified.`;
    again = () => takeImage(image, image.width, image.height, note);
    again();
  } catch {
    find('input-note').textContent = `${file.name} is no picture that this browser reads.`;
  }
}

async function toggleCamera() {
  const video = find('video');
  if (stream) {
    stream.getTracks().forEach((track) => track.stop());
    stream = null;
  } else {
    try {
      if (!navigator.mediaDevices) throw new Error('the page has to come from https or localhost');
      stream = await navigator.mediaDevices.getUserMedia({video: {facingMode: 'environment'}});
      video.srcObject = stream;
      await video.play();
    } catch (error) {
      stream = null;
      find('input-note').textContent = `No camera: ${error.message}.`;
    }
  }
  video.hidden = find('snap').hidden = !stream;
  find('camera').textContent = stream ? 'Switch the camera off' : 'Use the camera';
}

async function snap() {
  const image = await createImageBitmap(find('video'));
  again = () => takeImage(image, image.width, image.height, 'Taken by the camera, cut to the middle and averaged.');
  again();
}

// ---- the run

function chosenKey() {
  const text = find('seed').value.trim();
  if (text === '') return {level: 'fresh', key: [...crypto.getRandomValues(new BigUint64Array(2))]};
  if (!/^[0-9]{1,20}$/.test(text) || BigInt(text) >= 1n << 64n) {
    throw new Error('A seed is a whole number below 2^64, or nothing.');
  }
  return {level: 'chosen', seed: BigInt(text), key: [BigInt(text), BigInt(input.index)]};
}

async function certify() {
  try {
    if (!input) throw new Error('Choose, draw or take a picture first.');
    const run = about.runs.find(({samples: n}) => n === Number(find('samples').value));
    const mine = {run, input, ...chosenKey(), began: performance.now()};
    running = mine;
    find('copies').replaceChildren();
    find('downloads').hidden = find('audit').hidden = true;
    find('meaning').textContent = '';
    tell('Asking noisy copies.');
    listRows();
    busy(true);
    const image = Int8Array.from(input.pixels, (value) => value + about.input.zero_point);
    const asked = {image, key: mine.key, samples: run.samples, pilot: run.pilot};
    const found = await pool.certify(asked, heardVotes);
    if (found === null || running !== mine) return;
    running = null;
    busy(false);
    await showEnd(mine, found, (performance.now() - mine.began) / 1000);
  } catch (error) {
    running = null;
    busy(false);
    tell(error.message);
  }
}

function stop() {
  pool.stop();
  running = null;
  busy(false);
  tell('Stopped; nothing certified.');
}

function busy(is) {
  find('certify').disabled = is;
  find('stop').disabled = !is;
}

function tell(text, certified = false) {
  const verdict = find('verdict');
  if (verdict.textContent !== text) verdict.textContent = text;
  verdict.classList.toggle('certified', certified);
}

function heardVotes({purpose, done, total, votes, copy, label, radius}) {
  const {samples: n, pilot} = running.run;
  const asked = purpose === PILOT ? done : pilot + done;
  find('progress').value = asked / (n + pilot);
  const speed = asked / (performance.now() - running.began) * 1000;
  find('speed').textContent = `${asked.toLocaleString('en')} of ${(n + pilot).toLocaleString('en')} copies, `
    + `${Math.round(speed).toLocaleString('en')} a second; ${purpose === PILOT ? 'the first choose the class' : 'fresh ones count'}.`;
  if (radius !== null) {
    const sure = (radius / STEPS).toFixed(1);
    find('meaning').textContent = `Whatever the other ${(total - done).toLocaleString('en')} say, the radius will be at least ${sure}.`;
  }
  showVotes(votes, done, votes.indexOf(Math.max(...votes)));
  showCopy(copy, label);
}

function listRows() {
  const body = find('votes').tBodies[0];
  body.replaceChildren(...Array.from({length: about.classes}, (_, label) => {
    const row = document.createElement('tr');
    const name = document.createElement('th');
    name.scope = 'row';
    name.textContent = named(label);
    const count = document.createElement('td');
    count.className = 'number';
    const share = document.createElement('td');
    const meter = document.createElement('meter');
    meter.setAttribute('aria-label', `Share of ${named(label)}`);
    share.append(meter);
    row.append(name, count, share);
    return row;
  }));
}

function showVotes(votes, total, first) {
  [...find('votes').tBodies[0].rows].forEach((row, label) => {
    row.className = label === first ? 'candidate' : '';
    row.cells[1].textContent = votes[label].toLocaleString('en');
    row.cells[2].firstChild.value = votes[label] / Math.max(total, 1);
  });
}

function showCopy(copy, label) {
  const figure = document.createElement('figure');
  const canvas = document.createElement('canvas');
  show(canvas, Array.from(copy, (value) => value - about.input.zero_point), about.input);
  const caption = document.createElement('figcaption');
  caption.textContent = named(label);
  figure.append(canvas, caption);
  find('copies').prepend(figure);
  while (find('copies').children.length > SHOWN_COPIES) find('copies').lastChild.remove();
}

async function showEnd(finished, {candidate, pilotVotes, votes, radius}, seconds) {
  const {samples: n, alpha} = finished.run;
  showVotes(votes, n, candidate);
  if (radius === null) {
    tell('No certificate: the votes are too close.');
    find('meaning').textContent = `An application treats this input as unknown. It would have been ${named(candidate)}.`;
  } else {
    tell(`${named(candidate)}, certified within ${(Math.floor(radius * 100 / STEPS) / 100).toFixed(2)}`, true);
    find('meaning').textContent = `No change of this picture with an L2 length below ${radius / STEPS} `
      + `(in units of one ${about.unit ?? 'input step'}) makes the smoothed classifier say anything else. This is wrong with `
      + `probability at most ${alpha}, over the noise${finished.level === 'chosen' ? '; a chosen seed is for experiments' : ''}.`;
  }
  const certificate = {
    ...finished.run.certificate,
    index: finished.input.index, label: radius === null ? -1 : candidate, candidate,
    radius_q16: radius ?? 0, decision: radius === null ? 'abstained' : 'certified',
    pilot_votes: pilotVotes, votes, key: keyText(finished.key), key_level: finished.level, y: null,
    seconds: new Real(Math.round(seconds * 1e6) / 1e6),
  };
  const files = await offer(finished, certificate);
  document.dispatchEvent(new CustomEvent('certified', {detail: {certificate, ...files}}));
}

/** Journal and data for `qrobust audit`; hashes need a secure context. */
async function offer({run, input: {whole, shape, index, pixels}, level, seed}, certificate) {
  if (!globalThis.crypto?.subtle) return {};
  const tensor = Int8Array.from(pixels, (value) => value + about.input.zero_point);
  certificate.input_sha256 = await inputSha256(tensor);
  const plan = {...run.plan, data_sha256: await dataSha256(whole, shape), indices: [[index, index + 1]]};
  const key = level === 'chosen' ? {level, seed} : {level};
  Object.assign(certificate, derived(certificate));
  const text = await journal({plan, key, certificate, kernels: run.audit_kernels});
  const data = npy(whole, shape);
  link('journal', new Blob([text]));
  link('data', data);
  find('downloads').hidden = find('audit').hidden = false;
  find('audit').textContent = 'Check it elsewhere: qrobust audit certificate.jsonl model.tflite input.npy';
  return {journal: text, data};
}

function link(id, blob) {
  URL.revokeObjectURL(find(id).href);
  find(id).href = URL.createObjectURL(blob);
}

// ---- what happens when

find('certify').onclick = certify;
find('stop').onclick = stop;
find('sample').onchange = takeSample;
find('picture').onchange = takeFile;
find('camera').onclick = toggleCamera;
find('snap').onclick = snap;
find('invert').onchange = () => again?.();
listenToDrawing(find('drawing'), find('clear'), (canvas) => {
  again = null;
  takeImage(canvas, canvas.width, canvas.height, 'Your drawing, averaged to what the network sees.', false);
});
start().catch((error) => tell(`The page is incomplete: ${error.message}`));
if ('serviceWorker' in navigator && isSecureContext) navigator.serviceWorker.register('service-worker.js');
