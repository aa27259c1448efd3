// Several workers on one certificate: a sample's noise is addressed by its number, so that who
// counts which samples, and in what order, changes nothing.

import {BOUND, Certifier, PILOT} from './certifier.js';

const PIECE_MS = 60;
const MOST_WORKERS = 8;

export class Pool {
  /** Of the module's bytes and of the tables of every number of samples. */
  static async load(module, tables) {
    const pool = new Pool();
    pool.tables = tables;
    pool.certifier = await Certifier.load(module); // for radii, which are quick
    pool.job = 0;
    const count = Math.min(Math.max(navigator.hardwareConcurrency ?? 1, 1), MOST_WORKERS);
    pool.workers = await Promise.all(Array.from({length: count}, () => pool.#start(module)));
    return pool;
  }

  #start(module) {
    return new Promise((resolve, reject) => {
      const worker = new Worker('worker.js', {type: 'module'});
      worker.onerror = (event) => reject(new Error(event.message || 'a worker does not start'));
      worker.onmessage = ({data}) => data.kind === 'loaded' ? resolve(worker)
        : reject(new Error(data.message));
      worker.postMessage({kind: 'load', module, tables: this.tables});
    });
  }

  /** Ends the certificate at hand; its promise gives null. */
  stop() { this.job++; this.cancel?.(); }

  /**
   * Certifies int8 tensor values under a key. After each piece `heard` gets {purpose, done, total,
   * votes, copy, label, radius}, the radius that the votes so far certify whatever is to come.
   */
  async certify({image, key, samples, pilot}, heard) {
    const job = ++this.job;
    const about = {job, image, key, samples};
    this.certifier.open(this.tables[samples]);
    const pilotVotes = await this.#count({...about, purpose: PILOT}, pilot, (news) =>
      heard({...news, radius: null}));
    if (pilotVotes === null) return null;
    const candidate = this.certifier.winner(pilotVotes);
    // The pilot's samples never serve the bound.
    const votes = await this.#count({...about, purpose: BOUND}, samples, (news) =>
      heard({...news, radius: this.certifier.radius(news.votes, candidate)}));
    if (votes === null) return null;
    return {candidate, pilotVotes, votes, radius: this.certifier.radius(votes, candidate)};
  }

  /** The votes of `total` samples; null where somebody stopped it. */
  #count(about, total, heard) {
    return new Promise((resolve, reject) => {
      let given = 0;
      let done = 0;
      const votes = new Array(this.certifier.classes).fill(0);
      this.cancel = () => resolve(null);
      const give = (worker, size) => {
        const count = Math.min(size, total - given);
        if (count === 0 || about.job !== this.job) return;
        worker.postMessage({...about, start: given, count});
        given += count;
      };
      for (const worker of this.workers) {
        worker.onerror = (event) => reject(new Error(event.message));
        worker.onmessage = ({data}) => {
          if (data.kind === 'error') return reject(new Error(data.message));
          // Somebody stopped this certificate, or the piece is of one that was stopped before.
          if (about.job !== this.job || data.job !== about.job) return undefined;
          data.votes.forEach((count, label) => { votes[label] += count; });
          done += data.count;
          const fit = Math.round(data.count * PIECE_MS / Math.max(data.took, .5));
          give(worker, Math.max(1, Math.min(4 * data.count, fit)));
          heard({purpose: about.purpose, done, total, votes: [...votes], copy: data.copy, label: data.label});
          if (done === total) resolve(votes);
          return undefined;
        };
        give(worker, 1);
      }
    });
  }
}
