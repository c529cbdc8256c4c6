// SPDX-License-Identifier: Apache-2.0
// The mock's rules, models, channels and system: small and always the same.

import { parse_query, QueryError } from './mock-query.mjs';
import { kEmotions, kTopics } from './mock-stream.mjs';

const kStages = [['decode', 0.02], ['tokenize', 0.01], ['queue', 0.6], ['infer', 2.1], ['store', 4.2], ['count', 0.1], ['total', 9]];
const kBounds = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1];

/** What is wrong with a request, as a problem. */
export class Refusal extends Error {
  constructor(status, detail, members = {}) {
    super(detail);
    Object.assign(this, { status, members });
  }
}

export class Operations {
  constructor(engine) {
    this.engine = engine;
    this.rules = new Map([
      ['退款潮', { query: '退款 OR 退钱 -广告', description: '值班关注', enabled: true, origin: 'api', problem: null }],
      ['航班', { query: '(航班 OR 机场) (取消 OR 滞留)', description: '', enabled: false, origin: 'api', problem: null }],
      ['广东负面', { query: 'region:广东 emotion:negative', description: '配置文件里的规则', enabled: true, origin: 'file', problem: null }],
    ]);
    this.canary = null;
    this.engine_file = null;
    this.messages = [
      { id: 9, channel: 'desk', state: 'dead', alert: 'al_00000000000000aa', event: 'opened', title: '财经 · 广东 负面情绪上升', created_at: this.ago(5400), attempts: 12, next_attempt_at: null, dead_at: this.ago(600), last_error: '503 Service Unavailable' },
      { id: 8, channel: 'mail', state: 'waiting', alert: 'al_00000000000000ab', event: 'updated', title: '旅游 · 海南 讨论量上升', created_at: this.ago(90), attempts: 1, next_attempt_at: this.ago(-30), dead_at: null, last_error: 'connection refused' },
    ];
  }

  ago(seconds) {
    return new Date(this.engine.started - seconds * 1000).toISOString();
  }

  rule(name) {
    const rule = this.rules.get(name);
    if (!rule) throw new Refusal(404, `there is no rule '${name}'; GET /v1/rules lists them`);
    return { name, key: `rule:${name}`, ...rule };
  }
  list_rules() {
    return { rules: [...this.rules.keys()].sort().map((n) => this.rule(n)), rules_max: 10_000 };
  }
  own(name) {
    if (this.rules.get(name)?.origin === 'file') throw new Refusal(409, `rule '${name}' comes from the configuration; change it there, or take another name`);
  }
  put_rule(name, { query, description = '', enabled = true }) {
    this.own(name);
    this.parse(query);
    this.rules.set(name, { query, description, enabled, origin: 'api', problem: null });
    return this.rule(name);
  }
  delete_rule(name) {
    this.rule(name);
    this.own(name);
    this.rules.delete(name);
    return { removed: name };
  }
  parse(query) {
    try {
      return parse_query(query ?? '');
    } catch (error) {
      if (error instanceof QueryError) throw new Refusal(400, error.message);
      throw error;
    }
  }
  validate({ query }) {
    try {
      return { valid: true, query: parse_query(query).text };
    } catch (error) {
      if (!(error instanceof QueryError)) throw error;
      return { valid: false, column: error.column, reason: error.reason, remedy: error.remedy };
    }
  }
  preview({ query }) {
    const { holds } = this.parse(query);
    const posts = this.engine.posts.filter(holds);
    const step = 30;
    const first = Math.floor(Date.parse(this.engine.posts[0]?.time ?? this.ago(0)) / 1000 / step) * step;
    const histogram = Array.from({ length: Math.ceil((this.engine.at / 1000 - first) / step) }, (_, i) => ({ time: new Date((first + i * step) * 1000).toISOString(), posts: 0 }));
    for (const post of posts) {
      const part = histogram[Math.floor((Date.parse(post.time) / 1000 - first) / step)];
      if (part) part.posts += 1;
    }
    const mean = posts.length / Math.max(1, histogram.length);
    const alerts = [];
    histogram.forEach((b, i) => {
      const loud = b.posts > mean * 3 + 12;
      if (loud && (alerts.length === 0 || alerts.at(-1).closed_at)) alerts.push({ kind: 'volume', onset_at: b.time, opened_at: b.time, closed_at: null, posts: b.posts, score: b.posts / (mean * 3 + 12), from_rate: mean * 2, to_rate: b.posts * 2 });
      else if (!loud && i > 0 && alerts.length > 0 && !alerts.at(-1).closed_at) alerts.at(-1).closed_at = b.time;
    });
    return {
      matches: posts.length, exact: true, posts: this.engine.posts.length, since: histogram[0]?.time ?? this.ago(0), until: new Date(this.engine.at).toISOString(),
      took_ms: 12.5, bucket_seconds: step, histogram, alerts, examples: posts.slice(-5).reverse(),
    };
  }

  models() {
    const tasks = [{ name: 'emotion', labels: kEmotions }, { name: 'topic', labels: Object.keys(kTopics) }];
    return {
      models: [{
        name: 'base', version: this.engine_file ? 'v2' : '2026.11.1', backend: 'openvino', precision: 'int8', max_length: 512, memory_bytes: 98_304_000,
        sha256: 'cfd1c73f8c3940fd5760f6b497f1fbf9', active: true, engine: this.engine_file, rollback_to: this.engine_file ? '' : null, canary: this.canary, tasks,
        published: this.engine_file ? [] : [
          { data: 'usual_eval', task: 'emotion', texts: 1978, accuracy: 0.772, macro_f1: 0.7489 },
          { data: 'virus_eval', task: 'emotion', texts: 1871, accuracy: 0.7627, macro_f1: 0.6285 },
          { data: 'topic_dev', task: 'topic', texts: 3000, accuracy: 0.8123, macro_f1: null },
        ],
      }],
    };
  }
  repository() {
    return [{ name: 'base', version: '2026.11.1', state: 'READY', reason: '' }, { name: 'v2', version: '', state: 'UNAVAILABLE', reason: '' }, { name: 'broken', version: '', state: 'UNAVAILABLE', reason: '' }];
  }
  swap(name, { new_engine }) {
    const figures = {
      texts: 184, emotion: { compared: 184, agreement: 0.97, labelled: 96, accuracy_old: 0.948, accuracy_new: 0.958 },
      topic: { compared: 184, agreement: 0.95, labelled: 42, accuracy_old: 0.929, accuracy_new: new_engine === 'v2.engine' ? 0.952 : 0.5 },
      latency_ms_old: 3.1, latency_ms_new: 2.4, latency_ratio: 0.77,
    };
    if (new_engine !== 'v2.engine') throw new Refusal(409, 'topic accuracy falls by 0.429; at most 0.05 is allowed', { figures, reasons: ['accuracy_drop'] });
    const from = { version: this.engine_file ? 'v2' : '2026.11.1', engine: this.engine_file };
    this.engine_file = new_engine;
    return { model: name, from, to: { version: 'v2', engine: new_engine }, figures, limits: {}, times_ms: { load: 180.2, warm_up: 160.1, validate: 900.4, first_answer: 0.6, drain: 4.1 }, old_freed: true };
  }
  rollback(name) {
    if (!this.engine_file) throw new Refusal(409, 'there is nothing to roll back to');
    const from = { version: 'v2', engine: this.engine_file };
    this.engine_file = null;
    return { model: name, from, to: { version: '2026.11.1', engine: null }, times_ms: { load: 120, first_answer: 0.7, drain: 3 }, old_freed: true };
  }
  get_canary() {
    if (!this.canary) throw new Refusal(404, 'no canary ran');
    return this.canary;
  }
  start_canary(name, { new_engine, percent, mode }) {
    const side = (runs, p99, emotion, topic) => ({
      runs, errors: 0, latency_p99_ms: p99, mean_confidence: 0.84, probe_rounds: 3,
      probe_accuracy: { emotion, emotion_texts: 96, topic, topic_texts: 42 }, emotions: {}, topics: {},
    });
    this.canary = {
      model: name, state: 'running', reason: null, engine: new_engine, version: 'v2', live_version: '2026.11.1', mode, percent, compared: 1200, shed: 3,
      emotion: { disagreement: 0.012, label_distance: 0.004, chi_square: 1.2, degrees_of_freedom: 5 }, topic: { disagreement: 0.021, label_distance: 0.006, chi_square: 9, degrees_of_freedom: 13 },
      live: side(24_000, 4.1, 0.958, 0.952), candidate: side(1_260, 3.3, 0.969, 0.952), limits: {},
    };
    return this.canary;
  }
  end_canary(state) {
    const canary = this.get_canary();
    this.canary = { ...canary, state };
    if (state === 'promoted') this.engine_file = canary.engine;
    return this.canary;
  }

  outbox(state) {
    return { messages: this.messages.filter((m) => state === 'all' || (m.state === 'dead') === (state === 'dead')), next: null };
  }
  channels() {
    const of = (name, what) => this.messages.filter((m) => m.channel === name && (m.state === 'dead') === (what === 'dead')).length;
    const row = (name, type, more) => ({ name, type, waiting: of(name, 'waiting'), dead: of(name, 'dead'), delivered: 12, failed_attempts: 0, rests_until: null, last_error: '', ...more });
    return { channels: [row('log', 'log', { delivered: 431 }), row('desk', 'webhook', { failed_attempts: 12, last_error: '503 Service Unavailable' }), row('mail', 'email', { failed_attempts: 1 })] };
  }
  retry(fits) {
    let retried = 0;
    for (const m of this.messages) {
      if (m.state !== 'dead' || !fits(m)) continue;
      Object.assign(m, { state: 'waiting', dead_at: null, next_attempt_at: new Date(this.engine.at).toISOString() });
      retried += 1;
    }
    return { retried };
  }

  sources() {
    const row = (name, type, state, more) => ({
      name, type, state, stored: 12_400, duplicates: 3, rejected: 1, errors: 0, slowed: 0, lag: 3, lag_unit: 'messages', last_message_at: this.ago(1), last_error: '',
      last_error_at: null, next_attempt_at: null, ...more,
    });
    return {
      sources: [
        row('weibo', 'kafka', 'running', {}),
        row('news', 'rss', 'waiting', { lag: null, lag_unit: 'seconds', last_message_at: this.ago(700), errors: 4, last_error: 'GET /feed: 503', last_error_at: this.ago(60), next_attempt_at: this.ago(-120) }),
      ],
    };
  }
  system(demo) {
    const posts = this.engine.accepted;
    return {
      time: new Date(this.engine.at).toISOString(), version: '0.1.0 (commit mock)', uptime_seconds: (this.engine.at - this.engine.started) / 1000 + 91_000, demo, deadline_ms: 50,
      process: { memory_bytes: 412e6, memory_peak_bytes: 455e6, cpu_seconds: 30_000, open_files: 48, open_files_max: 20_000 },
      stages: kStages.map(([name, p99]) => ({ name, posts, latency_ms: { p50: p99 * 0.3, p95: p99 * 0.8, p99, p999: p99 * 1.6, max: p99 * 4 } })),
      queues: [{ name: 'ingest', depth: 12, max: 4096 }, { name: 'infer', depth: 3, max: null }, { name: 'count', depth: 40, max: 16_384 }],
      store: {
        posts, oldest: this.ago(6 * 86_400), newest: new Date(this.engine.at).toISOString(), bytes: 4.3e9, bytes_used: 4.1e9, bytes_max: 21.5e9, commits: 81_000,
        fsyncs: 81_020, posts_expired: 0, outbox_messages: 1, maintenance_error: '',
      },
      index: { lag_posts: 8, behind: false, error: '' },
      counting: { posts, late: 3, held: 0, keys: 1806, keys_max: 65_536, keys_evicted: 0, memory_bytes: 21e6, watermark: new Date(this.engine.at).toISOString() },
    };
  }
  metrics() {
    const lines = ['# TYPE tidewatch_stage_seconds histogram'];
    for (const [stage, p99] of kStages) {
      let sum = 0;
      const middle = p99 / 3000;
      for (const bound of kBounds) {
        sum = Math.round(this.engine.accepted * Math.min(1, 1 - Math.exp(-((bound / middle) ** 1.4))));
        lines.push(`tidewatch_stage_seconds_bucket{stage="${stage}",le="${bound}"} ${sum}`);
      }
      lines.push(`tidewatch_stage_seconds_bucket{stage="${stage}",le="+Inf"} ${this.engine.accepted}`);
    }
    lines.push('tidewatch_live_clients 1', 'tidewatch_http_connections 3', 'tidewatch_shed_total 0');
    return `${lines.join('\n')}\n`;
  }
}

/** GET /v1/posts/summary over the mock's posts. */
export function summary_of(posts, { from_ms, until_ms, buckets }) {
  const first = posts.length > 0 ? Date.parse(posts[0].time) : until_ms - 60_000;
  const from = Math.max(from_ms ?? first, first - 60_000);
  const step = Math.max(1, Math.ceil((until_ms - from) / 1000 / buckets));
  const start = Math.floor(from / 1000);
  const histogram = Array.from({ length: buckets }, (_, i) => ({ time: new Date((start + i * step) * 1000).toISOString(), posts: 0, negative: 0 }));
  const facets = { topics: new Map(), regions: new Map(), emotions: new Map(), authors: new Map(), sources: new Map() };
  const count = (map, name) => map.set(name, (map.get(name) ?? 0) + 1);
  for (const p of posts) {
    const part = histogram[Math.floor((Date.parse(p.time) / 1000 - start) / step)];
    if (part) {
      part.posts += 1;
      if (['angry', 'fear', 'sad'].includes(p.emotion.label)) part.negative += 1;
    }
    count(facets.topics, p.topic.label);
    count(facets.regions, p.region ?? 'unknown');
    count(facets.emotions, p.emotion.label);
    count(facets.authors, p.author);
    count(facets.sources, p.source);
  }
  const list = (map, most = 100) => [...map].map(([name, n]) => ({ name, posts: n })).sort((a, b) => b.posts - a.posts).slice(0, most);
  return {
    posts: posts.length, exact: true, from: new Date(from).toISOString(), until: new Date(until_ms).toISOString(), bucket_seconds: step, histogram,
    topics: list(facets.topics), regions: list(facets.regions), emotions: list(facets.emotions), authors: list(facets.authors, 10), sources: list(facets.sources), took_ms: 3.2,
  };
}
