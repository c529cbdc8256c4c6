// SPDX-License-Identifier: Apache-2.0
// Values for tests: valid, and as small as the types allow.

import type { Alert, Post, Series, Stats, Trend } from './api/types';

export function make_stats(change: Partial<Stats> = {}): Stats {
  return {
    time: '2026-11-23T05:00:00Z',
    uptime_seconds: 1,
    posts_per_second: 10,
    accepted: 1,
    rejected: 0,
    duplicates: 0,
    late: 0,
    latency_ms: { p50: 2, p95: 5, p99: 9, p999: 10, max: 11 },
    deadline_ms: 50,
    negative_share: 0.2,
    emotions: {},
    queue_depth: 0,
    cache_hit_share: 0,
    open_alerts: 0,
    model: 'base',
    ready: true,
    index_lag_posts: 0,
    watermark: null,
    ...change,
  };
}

export function make_alert(id: string, change: Partial<Alert> = {}): Alert {
  return {
    id,
    key: 'finance@广东',
    topic: 'finance',
    region: '广东',
    kind: 'negative',
    severity: 'warning',
    state: 'open',
    title: '',
    onset_at: '2026-11-23T05:00:00Z',
    opened_at: '2026-11-23T05:00:10Z',
    updated_at: '2026-11-23T05:00:10Z',
    closed_at: null,
    from_rate: 0.2,
    to_rate: 0.7,
    score: 2,
    posts: 10,
    authors: 9,
    texts: 8,
    emotions: {},
    terms: [],
    evidence: ['1', '2', '3'],
    muted_until: null,
    ...change,
  };
}

export function make_post(id: string): Post {
  return {
    sequence: 1,
    id,
    text: id,
    time: '2026-11-23T05:00:00Z',
    source: null,
    author: null,
    region: null,
    repost_of: null,
    url: null,
    likes: null,
    reposts: null,
    emotion: { label: 'sad', probability: 0.8 },
    topic: { label: 'finance', probability: 0.7 },
  };
}

export function make_trend(key: string, change: Partial<Trend> = {}): Trend {
  return {
    key,
    topic: key.split('@')[0] ?? '*',
    region: '*',
    kind: 'topic',
    posts: 10,
    authors: 10,
    texts: 10,
    rate_per_minute: 2,
    baseline_per_minute: 2,
    score: 0,
    negative_share: 0,
    rising: false,
    sparkline: [],
    ...change,
  };
}

/** Points at the given seconds after 2026-11-23T05:00:00Z: [second, posts, negative]. */
export function make_series(step: number, points: [number, number, number][], key = 'a@*'): Series {
  return {
    key,
    step_seconds: step,
    points: points.map(([second, posts, negative]) => ({
      time: new Date((kStart + second) * 1000).toISOString(),
      posts,
      negative,
      authors: posts,
      texts: posts,
      emotions: { angry: negative, neutral: posts - negative },
    })),
  };
}

export const kStart = Date.parse('2026-11-23T05:00:00Z') / 1000;
