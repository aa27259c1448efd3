// Certifies away from the page, so that the page stays alive. A job is counted in pieces of about
// PIECE_MS; after each piece the page hears the votes, and a new job or a stop is heard here.

import {BOUND, Certifier, PILOT} from './certifier.js';

const PIECE_MS = 60;
let certifier = null;
let tables = null;
let job = 0;

const breathe = () => new Promise((resolve) => setTimeout(resolve));

/** Counts `total` samples; returns false where another job took over. */
async function count(purpose, total, mine, candidate) {
  let done = 0;
  let piece = 1;
  while (done < total) {
    const began = performance.now();
    const before = certifier.votes();
    const first = done;
    // The first sample alone, so that it can be shown with its vote.
    let votes = certifier.count(purpose, first, 1);
    const label = votes.findIndex((value, i) => value !== before[i]);
    const more = Math.min(piece, total - done) - 1;
    if (more > 0) votes = certifier.count(purpose, first + 1, more);
    done += 1 + Math.max(more, 0);
    const took = performance.now() - began;
    const copy = certifier.copy(purpose, first);
    const radius = candidate === null ? null : certifier.radius(candidate);
    postMessage({kind: 'votes', job: mine, purpose, done, total, votes, copy, label, radius});
    piece = Math.max(1, Math.min(4 * piece, Math.round(piece * PIECE_MS / Math.max(took, .5))));
    await breathe();
    if (job !== mine) return false;
  }
  return true;
}

async function certify({job: mine, image, key, samples, pilot}) {
  job = mine;
  const began = performance.now();
  certifier.open(tables[samples]);
  certifier.ask(image, key);
  if (!await count(PILOT, pilot, mine, null)) return;
  const pilotVotes = certifier.votes();
  const candidate = certifier.winner();
  certifier.clearVotes(); // the pilot's samples never serve the bound
  if (!await count(BOUND, samples, mine, candidate)) return;
  const votes = certifier.votes();
  const radius = certifier.radius(candidate);
  const seconds = (performance.now() - began) / 1000;
  postMessage({kind: 'done', job: mine, candidate, pilotVotes, votes, radius, seconds});
}

onmessage = async ({data}) => {
  try {
    if (data.kind === 'load') {
      certifier = await Certifier.load(data.module);
      tables = data.tables;
      postMessage({kind: 'loaded'});
    } else if (data.kind === 'certify') {
      await certify(data);
    } else if (data.kind === 'stop') {
      job = 0;
    }
  } catch (error) {
    postMessage({kind: 'error', job: data.job ?? 0, message: String(error?.message ?? error)});
  }
};
