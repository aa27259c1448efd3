// The certifier of one network, as WebAssembly: images and keys in, votes and radii out.
// Runs in a worker, in a page and in Node alike.

export const PILOT = 0;
export const BOUND = 1;
const ABSTAIN = -1;

export class Certifier {
  /** Of a compiled module; `tables` are Uint32Arrays, one for each number of samples. */
  constructor(instance) {
    this.calls = instance.exports;
    this.classes = this.calls.classes();
  }

  static async load(bytes) {
    const {instance} = await WebAssembly.instantiate(bytes, {});
    return new Certifier(instance);
  }

  /** Makes these tables the ones in force; throws where the certifier refuses them. */
  open(tables) {
    if (tables.length > this.calls.most_table_words()) {
      throw new Error(`tables of ${tables.length} words, which the module has no room for`);
    }
    this.#at(Uint32Array, this.calls.tables_at(), tables.length).set(tables);
    const status = this.calls.open(tables.length);
    if (status !== 0) throw new Error(`the certifier refuses its tables (status ${status})`);
  }

  /** Says what to certify: int8 tensor values, and the key as two BigInts. */
  ask(image, key) {
    this.#at(Int8Array, this.calls.image_at(), image.length).set(image);
    this.size = image.length;
    this.#at(BigUint64Array, this.calls.key_at(), 2).set(key);
    this.calls.clear_votes();
  }

  /** Adds the votes of some samples, and returns all so far. */
  count(purpose, start, samples) {
    const status = this.calls.count(purpose, start, samples);
    if (status !== 0) throw new Error(`the certifier stopped (status ${status})`);
    return this.votes();
  }

  clearVotes() { this.calls.clear_votes(); }

  votes() { return Array.from(this.#at(Uint32Array, this.calls.votes_at(), this.classes)); }

  /** The class with most of some votes; a tie goes to the lowest. */
  winner(votes) {
    this.#at(Uint32Array, this.calls.votes_at(), this.classes).set(votes);
    return this.calls.winner();
  }

  /** Radius in 2^-16 steps that a class's votes certify, whatever is still to come; or null. */
  radius(votes, label) {
    this.#at(Uint32Array, this.calls.votes_at(), this.classes).set(votes);
    const radius = this.calls.radius_q16(label);
    return radius === ABSTAIN ? null : radius;
  }

  /** Sample `sample` as the network gets it: int8 tensor values. */
  copy(purpose, sample) {
    this.calls.draw(purpose, sample);
    return this.#at(Int8Array, this.calls.copy_at(), this.size).slice();
  }

  // The memory may have grown: views are made anew each time.
  #at(Kind, place, count) { return new Kind(this.calls.memory.buffer, place, count); }
}
