// Keeps the page for use without a network. VERSION and FILES are filled in when it is written.

const VERSION = '@VERSION@';
const FILES = [/* @FILES@ */];

self.addEventListener('install', (event) => {
  const fresh = FILES.map((file) => new Request(file, {cache: 'reload'}));
  event.waitUntil(caches.open(VERSION).then((cache) => cache.addAll(fresh)).then(() => self.skipWaiting()));
});

self.addEventListener('activate', (event) => {
  const mine = (name) => name.startsWith('qrobust-web-') && name !== VERSION;
  event.waitUntil(caches.keys()
    .then((names) => Promise.all(names.filter(mine).map((name) => caches.delete(name))))
    .then(() => self.clients.claim()));
});

self.addEventListener('fetch', (event) => {
  if (event.request.method !== 'GET') return;
  event.respondWith(caches.open(VERSION)
    .then((cache) => cache.match(event.request, {ignoreSearch: true}))
    .then((found) => found ?? fetch(event.request)));
});
