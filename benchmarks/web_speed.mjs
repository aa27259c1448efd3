// Votes per second of processor time of a page's module, in Node's V8.
//
//     node benchmarks/web_speed.mjs PAGE VOTES
//
// Prints them, and the votes, as JSON.

import {readFileSync} from 'node:fs';

const [, , folder, votes] = process.argv;
const source = readFileSync(`${folder}/certifier.js`, 'base64');
const {BOUND, Certifier} = await import(`data:text/javascript;base64,${source}`);
const about = JSON.parse(readFileSync(`${folder}/model.json`, 'utf8'));
const certifier = await Certifier.load(readFileSync(`${folder}/certify.wasm`));
const tables = Buffer.from(about.runs[0].tables, 'base64');
certifier.open(new Uint32Array(new Uint8Array(tables).buffer));
const {width, height, channels, zero_point} = about.input;
const size = width * height * channels;
const first = readFileSync(`${folder}/samples.npy`).subarray(-about.samples.labels.length * size);
certifier.ask(Int8Array.from(first.subarray(0, size), (value) => value + zero_point), [7n, 0n]);
certifier.count(BOUND, 0, Math.min(50, Number(votes))); // until V8 has optimized it
certifier.clearVotes();
const before = process.cpuUsage();
const counted = certifier.count(BOUND, 0, Number(votes));
const {user, system} = process.cpuUsage(before);
console.log(JSON.stringify({rate: Number(votes) / ((user + system) / 1e6), votes: counted}));
