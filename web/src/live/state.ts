// SPDX-License-Identifier: Apache-2.0
// What the live stream has told so far, as one value and one pure function over it.

import type { Alert, Post, Stats } from '../api/types';
import type { ServerEvent } from './sse';

/** connecting: the first try; open: events arrive; waiting: lost, the next try is set. */
export type Connection =
  | { phase: 'connecting' }
  | { phase: 'open' }
  | { phase: 'waiting'; attempt: number; retry_at: number };

export interface PulsePoint {
  /** Unix seconds */
  second: number;
  posts_per_second: number;
  p50: number;
  p99: number;
}

export interface Announcement {
  event: 'opened' | 'closed';
  alert: Alert;
}

export interface LiveState {
  connection: Connection;
  stats: Stats | null;
  /** Server time less browser time, in milliseconds: ages are told by the server's clock. */
  skew_ms: number;
  /** When the last stats came, browser time in milliseconds. */
  stats_at: number;
  pulse: readonly PulsePoint[];
  /** Newest first. */
  posts: readonly Post[];
  /** Alerts that somebody should look at still, by id. */
  alerts: ReadonlyMap<string, Alert>;
  alerts_loaded: boolean;
  announcement: Announcement | null;
}

export type LiveAction =
  | { type: 'connection'; connection: Connection }
  | { type: 'event'; event: ServerEvent; now_ms: number }
  /** What GET /v1/alerts?state=open answered; `before` are the ids known when it was asked. */
  | { type: 'alerts'; alerts: readonly Alert[]; before: ReadonlySet<string> }
  /** The latest posts, newest first, for a page that has none yet. */
  | { type: 'posts'; posts: readonly Post[] }
  /** One alert as the engine gave it, for instance after an acknowledgement. */
  | { type: 'alert'; alert: Alert };

export const kPulsePointsMax = 300;
export const kPostsMax = 80;
export const kAlertsMax = 200;

export const initial_live_state: LiveState = {
  connection: { phase: 'connecting' },
  stats: null,
  skew_ms: 0,
  stats_at: 0,
  pulse: [],
  posts: [],
  alerts: new Map(),
  alerts_loaded: false,
  announcement: null,
};

/** Returns the next state; events that it does not understand leave it unchanged. */
export function reduce(state: LiveState, action: LiveAction): LiveState {
  switch (action.type) {
    case 'connection':
      return { ...state, connection: action.connection };
    case 'alerts':
      return {
        ...state,
        alerts: replace_alerts(state.alerts, action.alerts, action.before),
        alerts_loaded: true,
      };
    case 'posts':
      return state.posts.length > 0 ? state : { ...state, posts: action.posts.slice(0, kPostsMax) };
    case 'alert':
      return { ...state, alerts: put_alert(state.alerts, action.alert) };
    case 'event':
      return reduce_event(state, action.event, action.now_ms);
  }
}

function reduce_event(state: LiveState, event: ServerEvent, now_ms: number): LiveState {
  const value = parse(event.data);
  if (value === null) return state;
  switch (event.event) {
    case 'stats':
      return is_stats(value) ? take_stats(state, value, now_ms) : state;
    case 'post':
      return is_post(value) ? take_post(state, value) : state;
    case 'alert':
      return is_alert(value) ? take_alert(state, value) : state;
    default:
      return state;
  }
}

function parse(data: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(data);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

const is_stats = (v: object): v is Stats =>
  'time' in v && 'posts_per_second' in v && 'latency_ms' in v;
const is_post = (v: object): v is Post => 'id' in v && 'text' in v && 'emotion' in v;
/** Nobody need look at it any more. */
const is_over = (a: Alert) =>
  a.state === 'closed' || a.state === 'resolved' || a.closed_at !== null;

const is_alert = (v: object): v is Alert & { event?: string } => 'id' in v && 'key' in v;

function take_stats(state: LiveState, stats: Stats, now_ms: number): LiveState {
  const time_ms = Date.parse(stats.time);
  if (Number.isNaN(time_ms)) return state;
  const second = Math.floor(time_ms / 1000);
  const point: PulsePoint = {
    second,
    posts_per_second: stats.posts_per_second,
    p50: stats.latency_ms.p50,
    p99: stats.latency_ms.p99,
  };
  // A second told twice keeps its latest word; a clock set back starts the pulse afresh.
  const kept = state.pulse.filter((p) => p.second < second && p.second > second - kPulsePointsMax);
  return {
    ...state,
    stats,
    skew_ms: time_ms - now_ms,
    stats_at: now_ms,
    pulse: [...kept, point],
  };
}

function take_post(state: LiveState, post: Post): LiveState {
  if (state.posts.some((p) => p.id === post.id)) return state; // replayed after a reconnect
  return { ...state, posts: [post, ...state.posts].slice(0, kPostsMax) };
}

function take_alert(state: LiveState, message: Alert & { event?: string }): LiveState {
  const { event, ...alert } = message;
  const known = state.alerts.get(alert.id);
  if (known && known.updated_at > alert.updated_at) return state; // an older word, replayed
  const alerts = put_alert(state.alerts, alert);
  if (event === 'closed' || is_over(alert)) {
    return known ? { ...state, alerts, announcement: { event: 'closed', alert } } : state;
  }
  if (known) return { ...state, alerts };
  return { ...state, alerts, announcement: { event: 'opened', alert } };
}

function put_alert(alerts: ReadonlyMap<string, Alert>, alert: Alert): ReadonlyMap<string, Alert> {
  const next = new Map(alerts);
  if (is_over(alert)) {
    next.delete(alert.id);
    return next;
  }
  next.set(alert.id, alert);
  for (const id of next.keys()) {
    if (next.size <= kAlertsMax) break;
    next.delete(id);
  }
  return next;
}

/** The answer is the truth about what is open, but the stream may be ahead of it: with a later
 * word on an alert, or with one that opened while the answer was on its way. */
function replace_alerts(
  known: ReadonlyMap<string, Alert>,
  answer: readonly Alert[],
  before: ReadonlySet<string>,
): ReadonlyMap<string, Alert> {
  const next = new Map<string, Alert>();
  for (const alert of answer.slice(0, kAlertsMax)) {
    if (is_over(alert)) continue;
    const live = known.get(alert.id);
    next.set(alert.id, live && live.updated_at > alert.updated_at ? live : alert);
  }
  for (const [id, alert] of known) {
    if (!next.has(id) && !before.has(id)) next.set(id, alert);
  }
  return next;
}

const kSeverities = ['critical', 'warning', 'info'];
const rank = (severity: string) => {
  const at = kSeverities.indexOf(severity);
  return at < 0 ? kSeverities.length : at;
};

/** What a desk looks at first: not yet acknowledged, then the gravest, then the newest. */
export function order_alerts(alerts: Iterable<Alert>): Alert[] {
  return [...alerts].sort(
    (a, b) =>
      Number(a.state === 'acknowledged') - Number(b.state === 'acknowledged') ||
      rank(a.severity) - rank(b.severity) ||
      b.opened_at.localeCompare(a.opened_at) ||
      a.id.localeCompare(b.id),
  );
}
