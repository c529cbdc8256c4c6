// SPDX-License-Identifier: Apache-2.0
// Serves web/dist and the API of docs/api.md over a made-up stream, for work on the dashboard and
// for its tests. Node's standard library only.
//
//   node dev/mock-server.mjs [--port 8000] [--dist DIR] [--seed 7] [--rate 24] [--wave-after 6]
//                            [--calm] [--fresh] [--mode MODE]
//
// --wave-after SECONDS: when the first wave begins; negative (--wave-after=-20): it has already begun. --calm: no wave.
// --fresh: nothing before the start. Prints
// `listening on http://127.0.0.1:PORT`. MODE can be changed while it runs: POST /mock/mode?set=MODE
//   normal      all is well
//   empty       every answer is well-formed and holds nothing
//   error       every API answer is a 503 problem; the live stream is refused
//   slow        every API answer waits 1.5 s
//   down        connections are cut, the live stream too
//   not-ready   stats say ready: false
//   hostile     posts and alerts carry markup and script in every text

import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { MockEngine } from './mock-engine.mjs';
import { kEmotions, kTopics } from './mock-stream.mjs';

const { values: options } = parseArgs({
  options: {
    port: { type: 'string', default: '8000' },
    dist: { type: 'string', default: fileURLToPath(new URL('../dist', import.meta.url)) },
    seed: { type: 'string', default: '7' },
    rate: { type: 'string', default: '24' },
    'wave-after': { type: 'string', default: '6' },
    mode: { type: 'string', default: 'normal' },
    calm: { type: 'boolean', default: false },
    fresh: { type: 'boolean', default: false },
  },
});

const kModes = ['normal', 'empty', 'error', 'slow', 'down', 'not-ready', 'hostile'];
let mode = options.mode;
const engine = new MockEngine({
  seed: Number(options.seed),
  posts_per_second: Number(options.rate),
  wave_after_seconds: options.calm ? null : Number(options['wave-after']),
  fresh: options.fresh,
  now: Date.now,
});

const kTypes = {
  '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8', '.svg': 'image/svg+xml',
};

function send(response, status, type, body, headers = {}) {
  response.writeHead(status, {
    'Content-Type': type,
    'Content-Security-Policy': "default-src 'self'",
    'X-Content-Type-Options': 'nosniff',
    ...headers,
  });
  response.end(body);
}

const kMarkup = '<img src=x onerror="document.title=1"><script>document.title=2</script>&amp;';

/** Markup in every text that a stranger can choose; ids, labels and times stay. */
function poison(value, name = '') {
  if (Array.isArray(value)) return value.map((v) => poison(v, name));
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, poison(v, k)]));
  }
  if (name === 'url') return 'javascript:document.title=3';
  return ['text', 'author', 'terms', 'title'].includes(name) ? `${kMarkup}${value}` : value;
}

const shown = (value) => (mode === 'hostile' ? poison(value) : value);
const json = (response, value) => send(response, 200, 'application/json', JSON.stringify(shown(value)), { 'Cache-Control': 'no-store' });

function problem(response, status, title, detail) {
  const body = { type: 'about:blank', title, status, detail };
  send(response, status, 'application/problem+json', JSON.stringify(body));
}

async function serve_file(response, path) {
  const name = normalize(path === '/' ? '/index.html' : path);
  try {
    const body = await readFile(join(options.dist, name));
    send(response, 200, kTypes[extname(name)] ?? 'application/octet-stream', body);
  } catch {
    problem(response, 404, 'Not Found', `no such file: ${path}`);
  }
}

// The live stream. Alerts have ids and are kept, so that Last-Event-ID resumes.
const clients = new Set();
const told_alerts = [];

function write_event(response, event, id, data) {
  response.write(`event: ${event}\n${id ? `id: ${id}\n` : ''}data: ${JSON.stringify(shown(data))}\n\n`);
}

engine.listeners.add((event, id, data) => {
  if (event === 'alert') {
    told_alerts.push({ id, data });
    if (told_alerts.length > 256) told_alerts.shift();
  }
  if (mode === 'empty' && event !== 'stats') return;
  const value = event === 'stats' ? shown_stats() : data;
  for (const client of clients) write_event(client, event, id, value);
});

function shown_stats() {
  const stats = engine.stats();
  if (mode === 'not-ready') return { ...stats, ready: false, posts_per_second: 0 };
  if (mode !== 'empty') return stats;
  const emotions = Object.fromEntries(kEmotions.map((e) => [e, 0]));
  return {
    ...stats, posts_per_second: 0, accepted: 0, rejected: 0, negative_share: 0, emotions, open_alerts: 0,
    latency_ms: { p50: 0, p95: 0, p99: 0, p999: 0, max: 0 },
  };
}

function live(request, response) {
  response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store', 'Content-Security-Policy': "default-src 'self'" });
  response.write(': hello\n\n');
  clients.add(response);
  request.on('close', () => clients.delete(response));
  const last = request.headers['last-event-id'];
  const at = told_alerts.findIndex((e) => e.id === last);
  if (at >= 0) for (const e of told_alerts.slice(at + 1)) write_event(response, 'alert', e.id, e.data);
}

function take_posts(request, response) {
  let lines = 0;
  request.on('data', (piece) => (lines += String(piece).split('\n').length - 1));
  request.on('end', () => json(response, { accepted: lines, rejected: 0, duplicates: 0, errors: [], errors_omitted: 0 }));
}

function number_of(params, name, fallback, least, most) {
  const value = Number(params.get(name) ?? fallback);
  return Number.isFinite(value) ? Math.min(most, Math.max(least, value)) : fallback;
}

async function act_on_alert(request, response, id, action) {
  let body = '';
  for await (const piece of request) body += piece;
  const found = engine.act(id, action, body === '' ? {} : JSON.parse(body));
  return found ? json(response, found) : problem(response, 404, 'Not Found', `no alert ${id}`);
}

function answer(request, response, path, params) {
  const none = mode === 'empty';
  if (path === '/v1/stats') return json(response, shown_stats());
  if (path === '/v1/trends') {
    const query = {
      window: number_of(params, 'window', 300, 60, 3600), kind: params.get('kind') ?? 'topic',
      limit: number_of(params, 'limit', 20, 1, 100), region: params.get('region') ?? '*',
    };
    const trends = engine.trends(query);
    return json(response, none ? { ...trends, trends: [] } : trends);
  }
  const series = /^\/v1\/topics\/([^/]+)\/series$/.exec(path);
  if (series) {
    const key = decodeURIComponent(series[1]);
    const value = engine.series(key, number_of(params, 'since', 3600, 60, 86400 * 7), number_of(params, 'step', 60, 1, 86400));
    return json(response, none ? { ...value, points: [] } : value);
  }
  if (path === '/v1/alerts') {
    if (none) return json(response, { alerts: [], next: null });
    return json(response, engine.list_alerts(params.get('state') ?? 'all', number_of(params, 'limit', 50, 1, 200), params.get('before')));
  }
  const alert = /^\/v1\/alerts\/([^/]+?)(?:\/(ack|escalate|resolve|reopen|mute))?$/.exec(path);
  if (alert) {
    if (alert[2] && request.method !== 'POST') return problem(response, 405, 'Method Not Allowed', 'use POST');
    if (alert[2]) return act_on_alert(request, response, alert[1], alert[2]);
    const found = engine.alert(alert[1]);
    return found ? json(response, found) : problem(response, 404, 'Not Found', `no alert ${alert[1]}`);
  }
  if (path === '/v1/posts' && request.method === 'POST') return take_posts(request, response);
  if (path === '/v1/posts') {
    if (none) return json(response, { posts: [], next: null, index_lag_posts: 0 });
    const names = ['q', 'topic', 'region', 'emotion', 'author', 'since'];
    const query = Object.fromEntries(names.map((n) => [n, params.get(n) || undefined]));
    return json(response, engine.search({ ...query, limit: number_of(params, 'limit', 50, 1, 200), before: Number(params.get('before')) || undefined }));
  }
  const post = /^\/v1\/posts\/([^/]+)$/.exec(path);
  if (post) {
    const found = engine.by_id.get(post[1]);
    return found ? json(response, found) : problem(response, 404, 'Not Found', `no post ${post[1]}`);
  }
  if (path === '/v1/models') {
    const tasks = [{ name: 'emotion', labels: kEmotions }, { name: 'topic', labels: Object.keys(kTopics) }];
    return json(response, {
      models: [{ name: 'base', version: 'mock', backend: 'none', precision: 'fp32', max_length: 512, memory_bytes: 0, sha256: '', active: true, tasks }],
    });
  }
  if (path === '/healthz' || path === '/readyz') return send(response, 200, 'text/plain', 'ok\n');
  return problem(response, 404, 'Not Found', `no such path: ${path}`);
}

const server = createServer((request, response) => {
  const url = new URL(request.url ?? '/', 'http://127.0.0.1');
  if (url.pathname === '/mock/mode' && request.method === 'POST') {
    const wanted = url.searchParams.get('set') ?? '';
    if (!kModes.includes(wanted)) return problem(response, 400, 'Bad Request', `one of ${kModes.join(', ')}`);
    mode = wanted;
    if (mode === 'down' || mode === 'error') for (const client of clients) client.destroy();
    return json(response, { mode });
  }
  const of_api = url.pathname.startsWith('/v1/') || url.pathname === '/readyz';
  if (!of_api && url.pathname !== '/healthz') return void serve_file(response, url.pathname);
  if (mode === 'down') return void request.socket.destroy();
  if (mode === 'error') return problem(response, 503, 'Service Unavailable', 'the store is read-only: the disk is full');
  if (url.pathname === '/v1/live') return live(request, response);
  const go = () => answer(request, response, url.pathname, url.searchParams);
  if (mode === 'slow') setTimeout(go, 1500);
  else go();
});

setInterval(() => engine.tick(), 200);
setInterval(() => {
  for (const client of clients) client.write(': still here\n\n');
}, 15_000);
server.listen(Number(options.port), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
