// SPDX-License-Identifier: Apache-2.0
// Pure arithmetic on time series: what the charts draw. Times are Unix seconds.

import type { Series, SeriesPoint, Trend } from './api/types';
import type { PulsePoint } from './live/state';

/** null is a gap: the line breaks there. */
export type Values = (number | null)[];

export interface Aligned {
  seconds: number[];
  lines: Values[];
}

export const kNegative = ['angry', 'fear', 'sad'] as const;
/** In the order in which they are stacked: the negative ones together, at the bottom. */
export const kEmotions = ['angry', 'fear', 'sad', 'neutral', 'surprise', 'happy'] as const;

/** Counts become known when their second is closed, some seconds late: so long a backfill's last
 * value stands in until the live values begin. */
const kBackfillHeldMax = 15;

/** The last `length` seconds up to `now`: posts a second, P50 and P99. Seconds that the stream
 * jittered over (up to 3) take the value before; longer ones stay gaps. */
export function pulse_lines(
  pulse: readonly PulsePoint[],
  backfill: ReadonlyMap<number, number>,
  now: number,
  length: number,
): Aligned {
  const by_second = new Map(pulse.map((p) => [p.second, p]));
  const first_live = pulse[0]?.second ?? Infinity;
  const seconds: number[] = [];
  const rate: Values = [];
  const p50: Values = [];
  const p99: Values = [];
  let last: PulsePoint | undefined;
  let before: { second: number; rate: number } | undefined;
  for (let second = now - length + 1; second <= now; ++second) {
    const point = by_second.get(second);
    if (point) last = point;
    const held = last !== undefined && second - last.second <= 3 ? last : undefined;
    if (second < first_live && backfill.has(second)) before = { second, rate: backfill.get(second) ?? 0 };
    const told = before && second - before.second <= kBackfillHeldMax ? before.rate : null;
    seconds.push(second);
    rate.push(held?.posts_per_second ?? (second < first_live ? told : null));
    p50.push(held?.p50 ?? null);
    p99.push(held?.p99 ?? null);
  }
  return { seconds, lines: [rate, p50, p99] };
}

/** Posts a second from a series of one-second steps, as a mean over `window` seconds. The seconds
 * between the first and the last point that are absent had no posts. */
export function smooth_rate(points: readonly SeriesPoint[], window: number): Map<number, number> {
  const rates = new Map<number, number>();
  const counts = new Map(points.map((p) => [to_second(p.time), p.posts]));
  const times = [...counts.keys()].filter((t) => !Number.isNaN(t));
  if (times.length === 0) return rates;
  const first = Math.min(...times);
  const last = Math.max(...times);
  if (last - first > 3600) return rates; // not one-second steps of the last minutes
  let sum = 0;
  for (let t = first; t <= last; ++t) {
    sum += counts.get(t) ?? 0;
    sum -= counts.get(t - window) ?? 0;
    rates.set(t, sum / Math.min(window, t - first + 1));
  }
  return rates;
}

/** Negative share of several series on one time axis. Each share is of the posts of the last
 * `window` steps; fewer than `posts_min` of them say nothing, and leave a gap. */
export function negative_shares(
  all: readonly Series[],
  window: number,
  posts_min: number,
): Aligned {
  const seconds = union_seconds(all);
  const lines = all.map((series) => {
    const by_second = index(series.points);
    let posts = 0;
    let negative = 0;
    return seconds.map((second, i) => {
      const gone = seconds[i - window];
      if (gone !== undefined) {
        posts -= by_second.get(gone)?.posts ?? 0;
        negative -= by_second.get(gone)?.negative ?? 0;
      }
      posts += by_second.get(second)?.posts ?? 0;
      negative += by_second.get(second)?.negative ?? 0;
      return posts >= Math.max(1, posts_min) ? negative / posts : null;
    });
  });
  return { seconds, lines };
}

/** Posts, authors and texts a minute. Steps without posts are zero, not gaps. */
export function volume_lines(series: Series): Aligned {
  const seconds = union_seconds([series]);
  const by_second = index(series.points);
  const scale = 60 / series.step_seconds;
  const line = (pick: (p: SeriesPoint) => number): Values =>
    seconds.map((s) => {
      const point = by_second.get(s);
      return point ? pick(point) * scale : 0;
    });
  return {
    seconds,
    lines: [line((p) => p.posts), line((p) => p.authors), line((p) => p.texts)],
  };
}

/** Posts a minute by emotion, one line for each of kEmotions. */
export function emotion_lines(series: Series): Aligned {
  const seconds = union_seconds([series]);
  const by_second = index(series.points);
  const scale = 60 / series.step_seconds;
  const lines = kEmotions.map((emotion) =>
    seconds.map((s) => (by_second.get(s)?.emotions[emotion] ?? 0) * scale),
  );
  return { seconds, lines };
}

/** Adds each line to the ones before it, so that line i is the upper edge of layer i. */
export function stack(lines: readonly Values[]): Values[] {
  const edges: Values[] = [];
  for (const line of lines) {
    const below = edges[edges.length - 1];
    edges.push(line.map((v, i) => (v ?? 0) + (below?.[i] ?? 0)));
  }
  return edges;
}

/** The step that shows `range` seconds well: what the API offers, at most 144 points. */
export function step_for(range: number): number {
  if (range <= 600) return 10;
  return Math.max(60, Math.ceil(range / 144 / 60) * 60);
}

/** All steps from the first to the last point of any series. Absent steps had no posts, but
 * without a known step only the points themselves are kept. */
function union_seconds(all: readonly Series[]): number[] {
  const times = new Set<number>();
  for (const series of all) {
    for (const point of series.points) {
      const second = to_second(point.time);
      if (!Number.isNaN(second)) times.add(second);
    }
  }
  const sorted = [...times].sort((a, b) => a - b);
  const step = all[0]?.step_seconds ?? 0;
  const first = sorted[0];
  const last = sorted[sorted.length - 1];
  if (first === undefined || last === undefined || step <= 0) return sorted;
  if ((last - first) / step > 2000) return sorted;
  for (let t = first; t < last; t += step) times.add(t);
  return [...times].sort((a, b) => a - b);
}

const to_second = (time: string) => Math.floor(Date.parse(time) / 1000);
const index = (points: readonly SeriesPoint[]) =>
  new Map(points.map((p) => [to_second(p.time), p]));

/** Most changed first; among equals, the most talked about. */
export function order_trends(trends: readonly Trend[]): Trend[] {
  return [...trends].sort(
    (a, b) => b.score - a.score || b.posts - a.posts || a.key.localeCompare(b.key),
  );
}

/** The topics whose lines are worth drawing: the `count` with the most posts, the last of which
 * gives way to a smaller one that is over its threshold. */
export function leading_topics(trends: readonly Trend[], count: number): string[] {
  const topics = trends.filter((t) => t.kind === 'topic' && t.topic !== 'unknown');
  const by_posts = [...topics].sort((a, b) => b.posts - a.posts || a.key.localeCompare(b.key));
  const chosen = by_posts.slice(0, count);
  const loudest = topics.reduce<Trend | undefined>(
    (best, t) => (t.score >= 1 && t.score > (best?.score ?? 0) ? t : best),
    undefined,
  );
  if (loudest && !chosen.includes(loudest)) chosen[chosen.length - 1] = loudest;
  return chosen.map((t) => t.key);
}

/** Gives each key a slot and lets keys that stay keep theirs, so that a colour keeps its meaning
 * while the list changes. Slots are 0 .. count-1; keys beyond are left out. */
export function keep_slots(
  before: ReadonlyMap<string, number>,
  keys: readonly string[],
  count: number,
): Map<string, number> {
  const slots = new Map<string, number>();
  const wanted = keys.slice(0, count);
  for (const key of wanted) {
    const slot = before.get(key);
    if (slot !== undefined && slot < count) slots.set(key, slot);
  }
  const taken = new Set(slots.values());
  for (const key of wanted) {
    if (slots.has(key)) continue;
    let slot = 0;
    while (taken.has(slot)) ++slot;
    taken.add(slot);
    slots.set(key, slot);
  }
  return slots;
}

/** Shares of kEmotions that sum to 1 (or are all 0), from shares or counts by label. */
export function emotion_shares(by: Readonly<Record<string, number>>): Map<string, number> {
  const total = kEmotions.reduce((sum, e) => sum + Math.max(0, by[e] ?? 0), 0);
  return new Map(kEmotions.map((e) => [e, total > 0 ? Math.max(0, by[e] ?? 0) / total : 0]));
}

/** The points of an SVG polyline through `values` in a box, oldest left, zero at the bottom. */
export function sparkline_points(
  values: readonly number[],
  width: number,
  height: number,
  pad = 1.5,
): [number, number][] {
  const top = Math.max(1, ...values.filter(Number.isFinite));
  const step = values.length > 1 ? (width - 2 * pad) / (values.length - 1) : 0;
  return values.map((v, i) => {
    const level = Number.isFinite(v) ? Math.max(0, v) / top : 0;
    return [round(pad + i * step), round(height - pad - level * (height - 2 * pad))];
  });
}

const round = (v: number) => Math.round(v * 10) / 10;

/** The series without its last step where that is still filling: it would look like a fall. */
export function without_filling_step(series: Series, now: number): Series {
  const points = series.points.filter((p) => to_second(p.time) + series.step_seconds <= now);
  return points.length >= 2 ? { ...series, points } : series;
}
