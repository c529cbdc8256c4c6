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
  /** of a search with words: the text around the first match */
  snippet?: string;
  /** code units of `snippet`: begin, end */
  highlights?: [number, number][];
}

/** Where the next page begins: handed back as it came. */
export type Cursor = string | number;

export interface Posts {
  posts: Post[];
  next: Cursor | null;
  index_lag_posts?: number;
  /** false: the time limit was reached; `next` goes on from there */
  complete?: boolean;
  searched_from?: string | null;
  took_ms?: number;
}

export interface Facet {
  name: string;
  posts: number;
}

export interface Bucket {
  time: string;
  posts: number;
  negative?: number;
}

/** What a search found, in numbers. `exact` false: estimated. */
export interface Summary {
  posts: number;
  exact: boolean;
  from: string;
  until: string;
  bucket_seconds: number;
  histogram: Bucket[];
  topics: Facet[];
  regions: Facet[];
  emotions: Facet[];
  authors: Facet[];
  sources: Facet[];
  took_ms: number;
}

export interface Rule {
  name: string;
  key: string;
  query: string;
  description: string;
  enabled: boolean;
  /** file: of the configuration, read-only here */
  origin: 'file' | 'api';
  /** why it is not watched although enabled */
  problem: string | null;
}

export interface Rules {
  rules: Rule[];
  rules_max: number;
}

export interface QueryVerdict {
  valid: boolean;
  query?: string;
  /** characters from 1 */
  column?: number;
  reason?: string;
  remedy?: string;
}

export interface PreviewAlert {
  kind?: string;
  onset_at?: string;
  opened_at: string;
  closed_at: string | null;
  posts: number;
  score: number;
}

export interface RulePreview {
  matches: number;
  exact: boolean;
  posts?: number;
  since?: string;
  until?: string;
  took_ms?: number;
  bucket_seconds?: number;
  histogram: Bucket[];
  alerts: PreviewAlert[];
  examples: Post[];
}

export interface Model {
  name: string;
  version: string;
  backend: string;
  precision: string;
  max_length: number;
  memory_bytes: number;
  sha256: string;
  active: boolean;
  /** the engine file; null: the models folder */
  engine: string | null;
  /** what a rollback returns to; empty: the models folder; null: nothing */
  rollback_to: string | null;
  canary: Canary | null;
  tasks: { name: string; labels: string[] }[];
  /** what the manifest of the weights says; this engine did not measure it */
  published: PublishedFigure[];
}

export interface PublishedFigure {
  data: string;
  task: string | null;
  texts: number | null;
  accuracy: number;
  macro_f1: number | null;
}

export interface Cascade {
  name: string;
  version: string;
  first: string;
  second: string;
  emotion_margin: number;
  topic_margin: number;
  escalated: number;
  skipped: number;
}

export interface Models {
  models: Model[];
  cascade?: Cascade;
}

export interface CanarySide {
  runs: number;
  errors: number;
  latency_p99_ms: number;
  mean_confidence: number;
  probe_rounds: number;
  probe_accuracy: Partial<Record<'emotion' | 'emotion_texts' | 'topic' | 'topic_texts', number | null>>;
}

export interface Disagreement {
  disagreement: number;
  label_distance: number;
}

export interface Canary {
  model: string;
  state: string;
  reason: string | null;
  engine: string;
  version: string;
  live_version: string;
  mode: string;
  percent: number;
  compared: number;
  shed: number;
  emotion: Disagreement;
  topic: Disagreement;
  live: CanarySide;
  candidate: CanarySide;
}

export interface SwapTask {
  compared: number;
  agreement: number;
  labelled: number;
  accuracy_old: number | null;
  accuracy_new: number | null;
}

export interface SwapFigures {
  texts: number;
  emotion?: SwapTask;
  topic?: SwapTask;
  latency_ms_old?: number;
  latency_ms_new?: number;
}

export interface SwapAnswer {
  model: string;
  from: { version: string; engine: string | null };
  to: { version: string; engine: string | null };
  figures?: SwapFigures;
  times_ms: Record<string, number>;
  old_freed?: boolean;
}

/** An engine file that could be swapped in, or a model that is served. */
export interface RepositoryEntry {
  name: string;
  version: string;
  state: string;
  reason: string;
}

export interface OutboxMessage {
  id: number;
  channel: string;
  /** waiting, held or dead */
  state: string;
  alert: string | null;
  event: string | null;
  title: string | null;
  created_at: string;
  attempts: number;
  next_attempt_at: string | null;
  dead_at: string | null;
  last_error: string;
}

export interface Messages {
  messages: OutboxMessage[];
  next: number | null;
}

export interface Channel {
  name: string;
  type: string;
  waiting: number;
  dead: number;
  delivered: number;
  failed_attempts: number;
  rests_until: string | null;
  last_error: string;
}

/** A connector: where posts come from besides the API. */
export interface Source {
  name: string;
  /** kafka, rss, mastodon or bluesky */
  type: string;
  /** starting, running, behind, waiting or stopped */
  state: string;
  stored: number;
  duplicates: number;
  rejected: number;
  errors: number;
  slowed: number;
  lag: number | null;
  lag_unit: string;
  last_message_at: string | null;
  last_error: string;
  last_error_at: string | null;
  next_attempt_at: string | null;
}

export interface System {
  time: string;
  version: string;
  uptime_seconds: number;
  demo: boolean;
  deadline_ms: number;
  process: Record<string, number>;
  stages: { name: string; posts: number; latency_ms: Percentiles }[];
  queues: { name: string; depth: number; max: number | null }[];
  store: {
    posts: number;
    oldest: string | null;
    newest: string | null;
    bytes: number;
    bytes_used: number;
    bytes_max: number;
    commits: number;
    fsyncs: number;
    posts_expired: number;
    outbox_messages: number;
    maintenance_error: string;
  };
  index: { lag_posts: number; behind: boolean; error: string };
  counting: {
    posts: number;
    late: number;
    held: number;
    keys: number;
    keys_max: number;
    keys_evicted: number;
    memory_bytes: number;
    watermark: string | null;
  };
}

export interface Forecast {
  at: string;
  /** posts a minute on average until `at` */
  low: number;
  expected: number;
  high: number;
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
  /** posts of the alert that accounts and cascade were read from */
  shape_posts?: number;
  forecast?: Forecast | null;
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
