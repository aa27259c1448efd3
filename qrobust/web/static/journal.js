// A certificate as `qrobust audit` reads it: a journal of one image, and the image as .npy.

/** A number that Python has as a float: 39 is "39.0" then. */
export class Real {
  constructor(value) { this.value = value; }

  toString() {
    const size = Math.abs(this.value);
    if (size !== 0 && (size < 1e-4 || size >= 1e16)) {
      return this.value.toExponential().replace(/e([+-])(\d)$/, 'e$10$2');
    }
    return Number.isInteger(this.value) ? `${this.value}.0` : String(this.value);
  }
}

/** JSON as Python writes it, without spaces and in ASCII; with sorted keys it is what is hashed. */
export function pythonJson(value, sorted) {
  if (value instanceof Real || typeof value === 'bigint') return String(value);
  if (typeof value === 'number' && !Number.isSafeInteger(value)) {
    throw new Error(`${value} is no integer`);
  }
  if (Array.isArray(value)) return `[${value.map((item) => pythonJson(item, sorted)).join(',')}]`;
  if (value !== null && typeof value === 'object') {
    const names = sorted ? Object.keys(value).sort() : Object.keys(value);
    const items = names.map((name) => `${ascii(name)}:${pythonJson(value[name], sorted)}`);
    return `{${items.join(',')}}`;
  }
  return typeof value === 'string' ? ascii(value) : JSON.stringify(value);
}

const canonical = (value) => pythonJson(value, true);

/** What follows from the other fields of a certificate in L2. */
export function derived({radius_q16, span, coordinates, n0, n}) {
  const q16 = BigInt(radius_q16);
  const radius = new Real(radius_q16 / 65536);
  const unit = Number(q16 * 1000000000n / (BigInt(span) << 16n)) / 1e9;
  const linf = new Real(Number(root(q16 * q16 / BigInt(coordinates))) / 65536);
  return {samples: n0 + n, radius, correct: null, radius_unit: new Real(unit),
    derived: {linf_lsb: linf, l1_lsb: radius}};
}

/** The integer square root. */
function root(value) {
  let guess = BigInt(Math.floor(Math.sqrt(Number(value))));
  while (guess * guess > value) guess -= 1n;
  while ((guess + 1n) * (guess + 1n) <= value) guess += 1n;
  return guess;
}

function ascii(text) {
  return JSON.stringify(text).replace(/[\u007f-\uffff]/g, (unit) => unit === '\u007f' ? unit
    : `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

export async function sha256(...parts) {
  const bytes = await new Blob(parts).arrayBuffer();
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Digest of a data set of bytes, as the journal's plan names it. */
export const dataSha256 = (pixels, shape) => sha256(`|u1(${shape.join(', ')})`, pixels);

/** Digest of one input: its int8 tensor values as int16, little end first. */
export const inputSha256 = (tensor) => {
  const bytes = new DataView(new ArrayBuffer(2 * tensor.length));
  tensor.forEach((value, i) => bytes.setInt16(2 * i, value, true));
  return sha256(bytes.buffer);
};

export const keyText = (key) => key.map((word) => word.toString(16).padStart(16, '0')).join('');

/** The lines of a closed journal of one image. */
export async function journal({plan, key, certificate, kernels}) {
  const lines = [
    {format: 'qrobust.certificates', version: 2, plan, plan_sha256: await sha256(canonical(plan)),
      key, kernels},
    certificate,
    {closed: 1},
  ];
  let chain = '';
  let text = '';
  for (const line of lines) {
    const {seconds, ...chained} = line; // times are outside the chain
    chain = await sha256(chain + canonical(chained));
    // Keys in their own order: a journal's first bytes say that it is one.
    text += `${pythonJson({...line, chain}, false)}\n`;
  }
  return text;
}

/** Bytes of a .npy file of unsigned bytes. */
export function npy(pixels, shape) {
  let head = `{'descr': '|u1', 'fortran_order': False, 'shape': (${shape.join(', ')}), }`;
  head = head.padEnd(Math.ceil((head.length + 11) / 64) * 64 - 11) + '\n';
  const size = new Uint8Array([head.length & 255, head.length >> 8]);
  return new Blob(['\x93NUMPY'].map(latin).concat([new Uint8Array([1, 0]), size, head, pixels]));
}

const latin = (text) => Uint8Array.from(text, (letter) => letter.charCodeAt(0));

/** The bytes of a .npy file's array. */
export function npyBytes(buffer) {
  const view = new DataView(buffer);
  return new Uint8Array(buffer, 10 + view.getUint16(8, true));
}
