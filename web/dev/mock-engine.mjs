// SPDX-License-Identifier: Apache-2.0
// The state behind the mock server: counts, trends, alerts and posts of the made-up stream. It
// counts in one-second steps and detects with a plain rule; it is not the engine.

import { createHash } from 'node:crypto';
import { Stream, hash_text, is_negative, kEmotions, kTopics, kWaves, keys_of, past_minute, rhythm } from './mock-stream.mjs';

const kKeptSeconds = 900;
const kPostsMax = 30_000;
const kUniqueMs = 600_000;
const kWaveSeconds = 300;
const empty_counts = () => ({ posts: 0, negative: 0, authors: 0, texts: 0, emotions: {} });

function add(into, counts) {
  into.posts += counts.posts;
  into.negative += counts.negative;
  into.authors += counts.authors;
  into.texts += counts.texts;
  for (const [e, n] of Object.entries(counts.emotions)) into.emotions[e] = (into.emotions[e] ?? 0) + n;
}

export class MockEngine {
  /** `now` gives milliseconds; `tick()` must then be called about five times a second. */
  constructor({ seed, posts_per_second, wave_after_seconds, fresh, now }) {
    this.stream = new Stream(seed, posts_per_second);
    this.rate = posts_per_second;
    this.now = now;
    this.started = now();
    this.at = this.started;
    this.fresh = fresh;
    this.posts = [];
    this.by_id = new Map();
    this.keys = new Map(); // key -> Map(second -> counts)
    this.seen = new Map(); // "key author" -> ms
    this.alerts = [];
    this.active = [];
    this.listeners = new Set();
    this.waves = wave_after_seconds === null ? [] : kWaves.map((w, i) => ({ ...w, from: this.started + (wave_after_seconds + i * 75) * 1000 }));
    this.emotion_window = [];
    this.accepted = 0;
    this.latency = 9;
    if (!fresh) this.make_past();
  }

  make_past() {
    const until = this.started;
    for (let ms = until - kKeptSeconds * 1000; ms < until; ms += 1000) this.run_second(ms);
    this.accepted = 4_182_733;
    this.make_old_alerts();
  }

  run_second(ms) {
    const mean = this.rate * rhythm(ms);
    for (let n = this.stream.poisson(mean); n > 0; --n) this.take(this.stream.background(ms + Math.floor(this.stream.random() * 1000)));
    for (const wave of this.waves) {
      const level = wave_level(wave, ms);
      for (let n = this.stream.poisson(level * 4.5); n > 0; --n) this.take(this.stream.wave(ms + Math.floor(this.stream.random() * 1000), wave));
    }
  }

  take(post) {
    this.accepted += 1;
    this.posts.push(post);
    this.by_id.set(post.id, post);
    if (this.posts.length > kPostsMax) this.by_id.delete(this.posts.shift().id);
    const ms = Date.parse(post.time);
    const second = Math.floor(ms / 1000);
    for (const key of keys_of(post)) {
      let seconds = this.keys.get(key);
      if (!seconds) this.keys.set(key, (seconds = new Map()));
      let counts = seconds.get(second);
      if (!counts) {
        seconds.set(second, (counts = empty_counts()));
        if (seconds.size > kKeptSeconds + 60) seconds.delete(seconds.keys().next().value);
      }
      counts.posts += 1;
      counts.emotions[post.emotion.label] = (counts.emotions[post.emotion.label] ?? 0) + 1;
      if (is_negative(post.emotion.label)) counts.negative += 1;
      if (this.is_new(`${key} a ${post.author}`, ms)) counts.authors += 1;
      if (post.text !== '' && this.is_new(`${key} t ${post.text}`, ms)) counts.texts += 1;
    }
    this.emotion_window.push(post.emotion.label);
    if (this.emotion_window.length > 400) this.emotion_window.shift();
  }

  is_new(what, ms) {
    const id = hash_text(what);
    const last = this.seen.get(id) ?? -Infinity;
    this.seen.set(id, ms);
    if (this.seen.size > 400_000) this.seen.clear();
    return ms - last > kUniqueMs;
  }

  /** Makes the posts of the seconds since the last call and tells the listeners. */
  tick() {
    const now = this.now();
    const before = this.posts.length;
    const first = this.stream.sequence;
    while (this.at + 1000 <= now) {
      this.run_second(this.at);
      this.at += 1000;
      this.detect();
      this.latency = Math.max(5, Math.min(38, this.latency + (this.stream.random() - 0.5) * 2.4));
      this.tell('stats', '', this.stats());
    }
    if (before === 0 && this.posts.length === 0) return;
    const fresh = this.posts.slice(-200).filter((p) => p.sequence > first);
    for (let i = 0; i < Math.min(4, fresh.length); ++i) this.tell('post', '', fresh[Math.floor((i * fresh.length) / 4)]);
  }

  tell(event, id, data) {
    for (const listener of this.listeners) listener(event, id, data);
  }

  sum(key, from, to) {
    const total = empty_counts();
    const seconds = this.keys.get(key);
    if (seconds) for (let s = from; s < to; ++s) if (seconds.has(s)) add(total, seconds.get(s));
    return total;
  }

  detect() {
    const second = Math.floor(this.at / 1000);
    for (const wave of this.waves) {
      const key = `${wave.topic}@${wave.region}`;
      const recent = this.sum(key, second - 20, second);
      const level = wave_level(wave, this.at);
      const loud = level > 0 && recent.posts >= 18;
      if (!wave.alert && loud) this.open(wave, key, second);
      else if (wave.alert && level > 0 && second % 4 === 0) this.update(wave, key, second, 'updated');
      else if (wave.alert && level === 0 && wave.alert.closed_at === null) this.update(wave, key, second, 'closed');
    }
  }

  open(wave, key, second) {
    const opened = new Date(second * 1000).toISOString();
    const onset = new Date(Math.max(wave.from, second * 1000 - 25_000)).toISOString();
    wave.alert = {
      id: alert_id(`${key} ${wave.kind} ${opened}`), key, topic: wave.topic, region: wave.region, kind: wave.kind, severity: 'warning', state: 'open',
      title: '', onset_at: onset, opened_at: opened, updated_at: opened, closed_at: null, from_rate: 0, to_rate: 0, score: 1, posts: 0, authors: 0, texts: 0,
      emotions: {}, terms: wave.terms, evidence: [], muted_until: null, forecast: null, shape_posts: 0, cascade: { root: 'p1', posts: 37, depth: 3, breadth: 21 },
      accounts: [{ author: '小满不熬夜12', posts: 4, reposted: 31 }, { author: '云帆同学7', posts: 3, reposted: 0 }],
    };
    this.alerts.unshift(wave.alert);
    this.update(wave, key, second, 'opened');
  }

  update(wave, key, second, event) {
    const alert = wave.alert;
    const since = this.sum(key, Math.floor(Date.parse(alert.onset_at) / 1000), second);
    const recent = this.sum(key, second - 60, second);
    const before = past_minute(key, Math.floor(second / 60) * 60 - 3600, this.rate / 24);
    const share = alert.kind === 'negative';
    alert.from_rate = share ? 0.27 : Math.max(1, before.posts);
    alert.to_rate = share ? recent.negative / Math.max(1, recent.posts) : recent.posts;
    alert.score = Math.min(9, recent.posts / 26);
    if (alert.score > 3) alert.severity = wave.severity;
    Object.assign(alert, { posts: since.posts, authors: since.authors, texts: Math.max(3, since.texts) });
    alert.emotions = Object.fromEntries(kEmotions.map((e) => [e, (since.emotions[e] ?? 0) / Math.max(1, since.posts)]).sort((a, b) => b[1] - a[1]));
    alert.updated_at = new Date(second * 1000).toISOString();
    const rate = recent.posts;
    alert.forecast = event === 'closed' || share ? null : { at: new Date((second + 1800) * 1000).toISOString(), low: rate * 0.5, expected: rate * 0.9, high: rate * 1.6 };
    alert.title = `${alert.topic} · ${alert.region}`;
    if (alert.evidence.length < 5) {
      const texts = new Set();
      const posts = this.posts.slice(-600).filter((p) => p.topic.label === wave.topic && p.region === wave.region && p.text.includes(wave.term) && !texts.has(p.text) && texts.add(p.text));
      alert.evidence = posts.slice(-5).map((p) => p.id);
      for (const post of posts.slice(-5)) this.by_id.set(post.id, post);
    }
    if (event === 'closed') Object.assign(alert, { state: 'closed', closed_at: alert.updated_at });
    this.tell_alert(alert, event);
  }

  tell_alert(alert, event) {
    this.tell('alert', `${alert.id}-${alert.updated_at}-${event}`, { ...alert, event });
  }

  make_old_alerts() {
    const kinds = ['volume', 'negative', 'coordinated', 'emergent'];
    const topics = Object.keys(kTopics);
    const regions = ['广东', '北京', '*', '四川', '上海', '湖北', '*'];
    for (let i = 0; i < 64; ++i) {
      const topic = topics[(i * 5 + 3) % topics.length];
      const region = regions[i % regions.length];
      const kind = kinds[(i * 7) % 4];
      const opened = this.started - (i + 1) * 5_400_000 - (i % 5) * 777_000;
      const minutes = 8 + ((i * 13) % 70);
      const posts = 90 + ((i * 71) % 900);
      const evidence = [0, 1, 2, 3].map((n) => {
        const post = this.stream.post(opened + n * 9000, topic, region === '*' ? '浙江' : region, n % 2 ? 'angry' : 'sad', this.stream.fill(`{w}这件事大家怎么看,第{n}个人在问了`));
        this.by_id.set(post.id, post);
        return post.id;
      });
      const iso = (ms) => new Date(ms).toISOString();
      this.alerts.push({
        id: alert_id(`${topic} ${i}`), key: `${topic}@${region}`, topic, region, kind, severity: ['info', 'warning', 'critical', 'warning'][i % 4], state: 'closed',
        title: '', onset_at: iso(opened - 40_000), opened_at: iso(opened), updated_at: iso(opened + minutes * 60_000), closed_at: iso(opened + minutes * 60_000),
        from_rate: kind === 'negative' ? 0.22 : 6 + (i % 9), to_rate: kind === 'negative' ? 0.64 : 48 + ((i * 11) % 90), score: 1.2 + (i % 6) / 2, posts,
        authors: Math.round(posts * (kind === 'coordinated' ? 0.2 : 0.84)), texts: Math.round(posts * (kind === 'coordinated' ? 0.04 : 0.7)),
        emotions: { angry: 0.41, sad: 0.2, neutral: 0.24, surprise: 0.08, fear: 0.05, happy: 0.02 }, terms: ['怎么看', '说法'], evidence, muted_until: null,
      });
    }
    const spam = this.posts.filter((p) => p.text.startsWith('#超话打卡#')).slice(-4);
    for (const post of spam) this.by_id.set(post.id, post);
    const opened = new Date(this.started - 840_000).toISOString();
    this.alerts.unshift({
      id: alert_id('spam'), key: '#超话打卡#', topic: '*', region: '*', kind: 'coordinated', severity: 'info', state: 'acknowledged', title: '', onset_at: opened, opened_at: opened,
      updated_at: opened, closed_at: null, from_rate: 3, to_rate: 57, score: 1.6, posts: 812, authors: 9, texts: 1, emotions: { happy: 0.97, neutral: 0.03 }, terms: ['打榜', '姐妹们'],
      evidence: spam.map((p) => p.id), muted_until: null,
    });
  }

  stats() {
    const second = Math.floor(this.at / 1000);
    const recent = this.sum('*@*', second - 5, second);
    const emotions = Object.fromEntries(kEmotions.map((e) => [e, 0]));
    for (const e of this.emotion_window) emotions[e] += 1 / this.emotion_window.length;
    const spread = this.latency;
    return {
      time: new Date(this.at).toISOString(), uptime_seconds: (this.at - this.started) / 1000, posts_per_second: recent.posts / 5, accepted: this.accepted, rejected: 17,
      duplicates: 204, late: 3, latency_ms: { p50: spread * 0.34, p95: spread * 0.8, p99: spread, p999: spread * 1.5, max: spread * 1.9 }, deadline_ms: 50,
      negative_share: emotions.angry + emotions.fear + emotions.sad, emotions, queue_depth: 0, cache_hit_share: 0.42,
      open_alerts: this.alerts.filter((a) => a.closed_at === null).length, model: 'base', ready: true, index_lag_posts: 0, watermark: new Date(this.at).toISOString(),
    };
  }

  trends({ window, kind, limit, region }) {
    const second = Math.floor(this.at / 1000);
    const wanted = [...this.keys.keys()].filter((key) => {
      if (kind === 'hashtag') return key.startsWith('#');
      if (kind === 'keyword') return key.startsWith('kw:');
      return key.endsWith(`@${region}`) && !key.startsWith('*@');
    });
    const rows = wanted.map((key) => {
      const total = this.sum(key, second - window, second);
      const minute = this.sum(key, second - 60, second).posts;
      const [topic, where] = key.includes('@') ? key.split('@') : ['*', '*'];
      const known = past_minute(key, Math.floor(second / 60) * 60 - 3600, this.rate / 24).posts;
      const baseline = known || Math.max(0.3, (total.posts / window) * 60 * 0.5);
      const step = Math.max(1, Math.floor(window / 30));
      const sparkline = Array.from({ length: 30 }, (_, i) => this.sum(key, second - (30 - i) * step, second - (29 - i) * step).posts);
      const excess = (minute - baseline) / Math.sqrt(Math.max(4, baseline)) / 4;
      return {
        key, topic, region: where, kind, posts: total.posts, authors: total.authors, texts: total.texts, rate_per_minute: minute, baseline_per_minute: baseline,
        score: Math.max(0, excess), negative_share: total.posts ? total.negative / total.posts : 0, rising: excess > 0.5, sparkline,
      };
    });
    rows.sort((a, b) => b.score - a.score || b.posts - a.posts);
    return { time: new Date(this.at).toISOString(), window_seconds: window, trends: rows.filter((r) => r.posts > 0).slice(0, limit) };
  }

  series(key, since, step) {
    const end = Math.floor(this.at / 1000);
    const first = Math.floor((end - since) / step) * step;
    const scale = this.rate / 24;
    const points = [];
    for (let t = first; t < end; t += step) {
      const counts = empty_counts();
      if (t >= end - kKeptSeconds || step < 60) add(counts, this.sum(key, t, t + step));
      else if (!this.fresh) for (let m = t; m < t + step; m += 60) add(counts, past_minute(key, m, scale));
      points.push({ time: new Date(t * 1000).toISOString(), ...counts });
    }
    return { key, step_seconds: step, points };
  }

  /** Posts that fit, oldest first. `holds` is a parsed query's. */
  matching({ holds, topic, region, emotion, author, source, from_ms, until_ms }) {
    return this.posts.filter((p) => {
      const time = Date.parse(p.time);
      if (from_ms !== null && time < from_ms) return false;
      if (until_ms !== null && time >= until_ms) return false;
      if (topic && p.topic.label !== topic) return false;
      if (region && (p.region ?? 'unknown') !== region) return false;
      if (emotion && p.emotion.label !== emotion) return false;
      if (author && p.author !== author) return false;
      if (source && p.source !== source) return false;
      return holds(p);
    });
  }

  list_alerts(state, limit, before) {
    const all = this.alerts.filter((a) => state === 'all' || (state === 'closed') === (a.closed_at !== null));
    const from = before ? all.findIndex((a) => a.id === before) + 1 : 0;
    const alerts = all.slice(from, from + limit);
    return { alerts, next: from + limit < all.length ? alerts[alerts.length - 1].id : null };
  }

  alert(id) {
    const alert = this.alerts.find((a) => a.id === id);
    return alert && { ...alert, evidence_posts: alert.evidence.map((e) => this.by_id.get(e)).filter(Boolean) };
  }

  act(id, action, request) {
    const alert = this.alerts.find((a) => a.id === id);
    if (!alert) return undefined;
    const event = { ack: 'acknowledged', escalate: 'escalated', resolve: 'resolved', reopen: 'reopened', mute: request.minutes === 0 ? 'unmuted' : 'muted' }[action];
    if (action === 'mute') alert.muted_until = request.minutes === 0 ? null : new Date(this.at + 60_000 * (request.minutes ?? 60)).toISOString();
    else alert.state = action === 'reopen' ? 'open' : event;
    alert.history = [...(alert.history ?? []), { at: new Date(this.at).toISOString(), action: event, by: request.by ?? 'unnamed', note: request.note ?? '', state: alert.state }];
    alert.updated_at = new Date(this.at).toISOString();
    this.tell_alert(alert, event);
    return this.alert(id);
  }
}

/** 0 outside the wave; rises within half a minute to 1, and falls in the last half minute. */
function wave_level(wave, ms) {
  const t = (ms - wave.from) / 1000;
  if (t < 0 || t > kWaveSeconds) return 0;
  return Math.max(0.08, Math.min(1, t / 35, (kWaveSeconds - t) / 30));
}

const alert_id = (text) => `al_${createHash('sha256').update(text).digest('hex').slice(0, 16)}`;
