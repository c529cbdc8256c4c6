// SPDX-License-Identifier: Apache-2.0
// The shapes of docs/api.md, as far as the dashboard reads them. Times are RFC 3339 in UTC.

export interface Percentiles {
  p50: number;
  p95: number;
  p99: number;
  p999: number;
  max: number;
}

/** Share (0..1) or count by emotion label. */
export type ByEmotion = Record<string, number>;

export interface Stats {
  time: string;
  uptime_seconds: number;
  posts_per_second: number;
  accepted: number;
  rejected: number;
  duplicates: number;
  late: number;
  latency_ms: Percentiles;
  deadline_ms: number;
  negative_share: number;
  emotions: ByEmotion;
  queue_depth: number;
  cache_hit_share: number;
  open_alerts: number;
  model: string;
  ready: boolean;
  index_lag_posts: number;
  watermark: string | null;
}

export type TrendKind = 'topic' | 'hashtag' | 'keyword' | 'rule';

export interface Trend {
  key: string;
  topic: string;
  region: string;
  kind: string;
  posts: number;
  authors: number;
  texts: number;
  rate_per_minute: number;
  baseline_per_minute: number;
  /** The detector's statistic over its threshold: 1 opens an alert. */
  score: number;
  negative_share: number;
  rising: boolean;
  sparkline: number[];
}

export interface Trends {
  time: string;
  window_seconds: number;
  trends: Trend[];
}

export interface SeriesPoint {
  time: string;
  posts: number;
  negative: number;
  authors: number;
  texts: number;
  emotions: ByEmotion;
}

export interface Series {
  key: string;
  step_seconds: number;
  points: SeriesPoint[];
}

export interface Label {
  label: string;
  probability: number;
}

export interface Post {
  sequence: number;
  id: string;
  text: string;
  time: string;
  source: string | null;
  author: string | null;
  region: string | null;
  repost_of: string | null;
  url: string | null;
  likes: number | null;
  reposts: number | null;
  emotion: Label;
  topic: Label;
}

export interface Posts {
  posts: Post[];
  next: number | null;
  index_lag_posts: number;
}

export interface Alert {
  id: string;
  key: string;
  topic: string;
  region: string;
  /** volume, negative, emergent or coordinated */
  kind: string;
  /** info, warning or critical */
  severity: string;
  /** open, escalated, acknowledged, resolved or closed */
  state: string;
  title: string;
  onset_at: string;
  opened_at: string;
  updated_at: string;
  closed_at: string | null;
  from_rate: number;
  to_rate: number;
  score: number;
  posts: number;
  authors: number;
  texts: number;
  emotions: ByEmotion;
  terms: string[];
  evidence: string[];
  /** nobody is told before */
  muted_until: string | null;
  /** who drives it, the most first; older alerts have none */
  accounts?: { author: string; posts: number; reposted: number }[];
  /** the largest repost cascade */
  cascade?: { root: string; posts: number; depth: number; breadth: number } | null;
  evidence_posts?: Post[];
  history?: HistoryEntry[];
}

export interface HistoryEntry {
  at: string;
  action: string;
  /** tidewatch: the engine itself */
  by: string;
  note: string;
  state: string;
}

export type AlertActionName = 'ack' | 'escalate' | 'resolve' | 'reopen' | 'mute';

export interface Alerts {
  alerts: Alert[];
  next: string | null;
}
