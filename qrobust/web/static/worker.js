// Counts votes away from the page, a piece at a time, so that the page stays alive.

import {Certifier} from './certifier.js';

let certifier = null;
let tables = null;
let asked = null; // the job whose image and key the certifier has

onmessage = async ({data}) => {
  try {
    if (data.kind === 'load') {
      certifier = await Certifier.load(data.module);
      tables = data.tables;
      postMessage({kind: 'loaded'});
      return;
    }
    const {job, image, key, samples, purpose, start, count} = data;
    if (asked !== job) {
      certifier.open(tables[samples]);
      certifier.ask(image, key);
      asked = job;
    }
    certifier.clearVotes();
    const began = performance.now();
    // The first sample alone, so that it can be shown with its vote.
    const label = certifier.count(purpose, start, 1).indexOf(1);
    const votes = certifier.count(purpose, start + 1, count - 1);
    const took = performance.now() - began;
    const copy = certifier.copy(purpose, start);
    postMessage({kind: 'counted', job, purpose, count, votes, label, copy, took});
  } catch (error) {
    postMessage({kind: 'error', message: String(error?.message ?? error)});
  }
};
