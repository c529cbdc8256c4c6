// SPDX-License-Identifier: Apache-2.0
// Serves web/dist and the API of docs/api.md over a made-up stream, for work on the dashboard and
// for its tests. Node's standard library only.
//
//   node dev/mock-server.mjs [--port 8000] [--dist DIR] [--seed 7] [--rate 24] [--wave-after 6]
//                            [--calm] [--fresh] [--demo] [--mode MODE]
//
// --wave-after SECONDS: when the first wave begins; negative (--wave-after=-20): it has already begun. --calm: no wave.
// --fresh: nothing before the start. --demo: it calls itself a demo (the tour opens). Prints
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
import { Operations, Refusal, summary_of } from './mock-operations.mjs';
import { snippet_of } from './mock-query.mjs';
import { kEmotions } from './mock-stream.mjs';

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
    demo: { type: 'boolean', default: false },
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

const operations = new Operations(engine);

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
  return ['text', 'snippet', 'author', 'terms', 'title'].includes(name) ? `${kMarkup}${value}` : value;
}

const shown = (value) => (mode === 'hostile' ? poison(value) : value);
const json = (response, value) => send(response, 200, 'application/json', JSON.stringify(shown(value)), { 'Cache-Control': 'no-store' });

function problem(response, status, title, detail, members = {}) {
  const body = { type: 'about:blank', title, status, detail, ...members };
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

async function body_of(request) {
  let body = '';
  for await (const piece of request) body += piece;
  return body === '' ? {} : JSON.parse(body);
}

async function act_on_alert(request, response, id, action) {
  const found = engine.act(id, action, await body_of(request));
  return found ? json(response, found) : problem(response, 404, 'Not Found', `no alert ${id}`);
}

/** RFC 3339, seconds, or 30m/24h/7d before now. */
function time_of(text) {
  if (!text) return null;
  const relative = /^(\d+)([smhd]?)$/.exec(text);
  if (!relative) return Date.parse(text);
  return engine.at - Number(relative[1]) * { '': 1, s: 1, m: 60, h: 3600, d: 86_400 }[relative[2]] * 1000;
}

function matching(params) {
  const { holds, words } = operations.parse(params.get('q') ?? '');
  const query = Object.fromEntries(['topic', 'region', 'emotion', 'author', 'source'].map((n) => [n, params.get(n)]));
  return { words, posts: engine.matching({ holds, ...query, from_ms: time_of(params.get('since')), until_ms: time_of(params.get('until')) }) };
}

/** As a lone pattern over a large store: the first answer comes before anything was found. */
function cut_short() {
  return {
    posts: [], next: `c${(engine.posts.at(-1)?.sequence ?? 0) + 1}`, complete: false, searched_from: new Date(engine.at - 60_000).toISOString(),
    took_ms: 2000, index_lag_posts: 0,
  };
}

function search(given) {
  const params = new URLSearchParams(given);
  if (/^\/.+\/$/.test(params.get('q') ?? '')) {
    if (!params.has('before')) return cut_short();
    params.set('q', params.get('q').slice(1, -1));
  }
  const limit = number_of(params, 'limit', 50, 1, 200);
  const before = Number(params.get('before')?.slice(1) ?? Infinity);
  const { posts, words } = matching(params);
  const older = posts.filter((p) => p.sequence < before).reverse();
  const page = older.slice(0, limit).map((p) => (words.length > 0 ? { ...p, ...snippet_of(p.text, words) } : p));
  return { posts: page, next: older.length > limit ? `c${page[page.length - 1].sequence}` : null, complete: true, searched_from: null, took_ms: 2.1, index_lag_posts: 0 };
}

/** The paths of rules, models, channels and the system: [method, path, answer]. */
const kOperations = [
  ['GET', /^\/v1\/rules$/, () => operations.list_rules()],
  ['POST', /^\/v1\/rules\/validate$/, (_, body) => operations.validate(body)],
  ['POST', /^\/v1\/rules\/preview$/, (_, body) => operations.preview(body)],
  ['GET', /^\/v1\/rules\/([^/]+)$/, ([name]) => operations.rule(name)],
  ['PUT', /^\/v1\/rules\/([^/]+)$/, ([name], body) => operations.put_rule(name, body)],
  ['DELETE', /^\/v1\/rules\/([^/]+)$/, ([name]) => operations.delete_rule(name)],
  ['GET', /^\/v1\/models$/, () => operations.models()],
  ['POST', /^\/v2\/repository\/index$/, () => operations.repository()],
  ['POST', /^\/v1\/models\/([^/]+)\/swap$/, ([name], body) => operations.swap(name, body)],
  ['POST', /^\/v1\/models\/([^/]+)\/rollback$/, ([name]) => operations.rollback(name)],
  ['GET', /^\/v1\/models\/([^/]+)\/canary$/, () => operations.get_canary()],
  ['POST', /^\/v1\/models\/([^/]+)\/canary$/, ([name], body) => operations.start_canary(name, body)],
  ['DELETE', /^\/v1\/models\/([^/]+)\/canary$/, () => operations.end_canary('ended')],
  ['POST', /^\/v1\/models\/([^/]+)\/canary\/promote$/, () => operations.end_canary('promoted')],
  ['GET', /^\/v1\/outbox$/, (_, __, params) => operations.outbox(params.get('state') ?? 'all')],
  ['GET', /^\/v1\/channels$/, () => operations.channels()],
  ['POST', /^\/v1\/outbox\/([^/]+)\/retry$/, ([id]) => operations.retry((m) => m.id === Number(id))],
  ['POST', /^\/v1\/channels\/([^/]+)\/retry$/, ([name]) => operations.retry((m) => m.channel === name)],
  ['GET', /^\/v1\/sources$/, () => operations.sources()],
  ['GET', /^\/v1\/system$/, () => operations.system(options.demo)],
];

async function operate(request, response, path, params, wanted) {
  const [, pattern, run] = wanted;
  try {
    const body = request.method === 'GET' ? {} : await body_of(request);
    json(response, run(pattern.exec(path).slice(1).map(decodeURIComponent), body, params));
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    problem(response, error.status, 'Refused', error.message, error.members);
  }
}

function answer(request, response, path, params) {
  const none = mode === 'empty';
  const operation = kOperations.find(([method, pattern]) => method === request.method && pattern.test(path));
  if (operation && none && path === '/v1/rules') return json(response, { rules: [], rules_max: 10_000 });
  if (operation && none && path === '/v1/outbox') return json(response, { messages: [], next: null });
  if (operation) return void operate(request, response, path, params, operation);
  if (path === '/metrics') return send(response, 200, 'text/plain', operations.metrics());
  if (path === '/v1/report') return send(response, 200, 'text/html; charset=utf-8', '<!doctype html><title>report</title><h1>report</h1>');
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
  if (path === '/v1/posts' || path === '/v1/posts/summary') {
    try {
      if (path === '/v1/posts') return json(response, none ? { posts: [], next: null, complete: true, index_lag_posts: 0 } : search(params));
      const until_ms = time_of(params.get('until')) ?? engine.at;
      const posts = none ? [] : matching(params).posts;
      return json(response, summary_of(posts, { from_ms: time_of(params.get('since')), until_ms, buckets: number_of(params, 'buckets', 60, 1, 400) }));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return problem(response, error.status, 'Bad Request', error.message);
    }
  }
  const post = /^\/v1\/posts\/([^/]+)$/.exec(path);
  if (post) {
    const found = engine.by_id.get(post[1]);
    return found ? json(response, found) : problem(response, 404, 'Not Found', `no post ${post[1]}`);
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
  const of_api = /^\/(v[12]\/|readyz$|metrics$)/.test(url.pathname);
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
