// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from 'vitest';

import { kStart, make_series, make_trend } from './testing';
import {
  emotion_lines,
  emotion_shares,
  keep_slots,
  leading_topics,
  negative_shares,
  order_trends,
  pulse_lines,
  smooth_rate,
  sparkline_points,
  stack,
  step_for,
  volume_lines,
  without_filling_step,
} from './series';

const point = (second: number, rate: number) => ({ second, posts_per_second: rate, p50: 1, p99: rate });

describe('pulse_lines', () => {
  test('fills short jitter and leaves real gaps', () => {
    const { seconds, lines } = pulse_lines([point(100, 5), point(102, 6), point(109, 7)], new Map(), 110, 11);
    expect(seconds[0]).toBe(100);
    expect(lines[0]).toEqual([5, 5, 6, 6, 6, 6, null, null, null, 7, 7]);
    expect(lines[2]).toEqual(lines[0]);
  });

  test('takes what came before the page from the backfill, and only that', () => {
    const backfill = new Map([[97, 3], [98, 4], [101, 99]]);
    const { lines } = pulse_lines([point(100, 5), point(101, 6)], backfill, 101, 6);
    expect(lines[0]).toEqual([null, 3, 4, 4, 5, 6]);
    expect(lines[1]).toEqual([null, null, null, null, 1, 1]);
  });

  test('without anything is all gap', () => {
    expect(pulse_lines([], new Map(), 10, 3).lines).toEqual([
      [null, null, null], [null, null, null], [null, null, null],
    ]);
  });
});

describe('smooth_rate', () => {
  test('is the mean of the last seconds, absent ones being silent', () => {
    const rates = smooth_rate(make_series(1, [[0, 10, 0], [1, 20, 0], [3, 30, 0]]).points, 2);
    expect([...rates].map(([t, v]) => [t - kStart, v])).toEqual([[0, 10], [1, 15], [2, 10], [3, 15]]);
  });
  test('of nothing is nothing', () => expect(smooth_rate([], 5).size).toBe(0));
  test('does not walk through years', () => {
    expect(smooth_rate(make_series(1, [[0, 1, 0], [9e8, 1, 0]]).points, 5).size).toBe(0);
  });
});

describe('negative_shares', () => {
  test('are of the posts of the window, on one axis', () => {
    const a = make_series(10, [[0, 10, 1], [10, 10, 3], [20, 10, 5]], 'a@*');
    const b = make_series(10, [[10, 4, 4], [30, 4, 0]], 'b@*');
    const { seconds, lines } = negative_shares([a, b], 2, 1);
    expect(seconds.map((s) => s - kStart)).toEqual([0, 10, 20, 30]);
    expect(lines[0]).toEqual([0.1, 0.2, 0.4, 0.5]);
    expect(lines[1]).toEqual([null, 1, 1, 0]);
  });

  test('of too few posts are gaps', () => {
    const series = make_series(60, [[0, 7, 7], [60, 8, 2]]);
    expect(negative_shares([series], 1, 8).lines[0]).toEqual([null, 0.25]);
  });

  test('of no series at all', () => {
    expect(negative_shares([], 3, 8)).toEqual({ seconds: [], lines: [] });
  });
});

test('volume_lines are a minute, with silence as zero', () => {
  const { seconds, lines } = volume_lines(make_series(10, [[0, 2, 0], [20, 3, 0]]));
  expect(seconds.map((s) => s - kStart)).toEqual([0, 10, 20]);
  expect(lines[0]).toEqual([12, 0, 18]);
});

test('emotion_lines come in stacking order and add up to the volume', () => {
  const { lines } = emotion_lines(make_series(60, [[0, 5, 2]]));
  expect(lines.map((l) => l[0])).toEqual([2, 0, 0, 3, 0, 0]);
});

test('stack gives the upper edges', () => {
  expect(stack([[1, 2], [3, null], [5, 6]])).toEqual([[1, 2], [4, 2], [9, 8]]);
});

test.each([
  [600, 10],
  [3600, 60],
  [21600, 180],
  [86400, 600],
  [604800, 4200],
])('a range of %i s has steps of %i s', (range, step) => {
  expect(step_for(range)).toBe(step);
  expect(range / step).toBeLessThanOrEqual(144);
});

test('without_filling_step drops only the step that still fills', () => {
  const series = make_series(60, [[0, 1, 0], [60, 1, 0], [120, 1, 0]]);
  expect(without_filling_step(series, kStart + 130).points).toHaveLength(2);
  expect(without_filling_step(series, kStart + 180).points).toHaveLength(3);
  const young = make_series(60, [[0, 1, 0]]);
  expect(without_filling_step(young, kStart + 30)).toBe(young);
});

test('order_trends: by score, then by posts', () => {
  const trends = [
    make_trend('few', { posts: 1 }),
    make_trend('many', { posts: 9 }),
    make_trend('wave', { posts: 2, score: 1.2 }),
  ];
  expect(order_trends(trends).map((t) => t.key)).toEqual(['wave', 'many', 'few']);
});

describe('leading_topics', () => {
  const trends = [
    make_trend('a@*', { posts: 50 }),
    make_trend('b@*', { posts: 40 }),
    make_trend('c@*', { posts: 30 }),
    make_trend('small@*', { posts: 9, score: 0.9 }),
    make_trend('unknown@*', { posts: 999, topic: 'unknown' }),
    make_trend('#x#', { posts: 999, kind: 'hashtag' }),
  ];
  test('are those with the most posts', () => {
    expect(leading_topics(trends, 2)).toEqual(['a@*', 'b@*']);
  });
  test('make room for one over its threshold', () => {
    const wave = make_trend('wave@*', { posts: 3, score: 1.4 });
    expect(leading_topics([...trends, wave], 2)).toEqual(['a@*', 'wave@*']);
  });
  test('of nothing are none', () => expect(leading_topics([], 5)).toEqual([]));
});

test('keep_slots lets a key keep its colour', () => {
  const first = keep_slots(new Map(), ['a', 'b', 'c'], 3);
  expect([...first]).toEqual([['a', 0], ['b', 1], ['c', 2]]);
  const next = keep_slots(first, ['c', 'd', 'a', 'more'], 3);
  expect(Object.fromEntries(next)).toEqual({ c: 2, a: 0, d: 1 });
});

test('emotion_shares sum to one, from shares or counts', () => {
  const shares = emotion_shares({ angry: 3, happy: 1, odd: 5, sad: -2 });
  expect(shares.get('angry')).toBe(0.75);
  expect(shares.get('sad')).toBe(0);
  expect([...emotion_shares({}).values()].every((v) => v === 0)).toBe(true);
});

test('sparkline_points keep inside the box whatever they are given', () => {
  const points = sparkline_points([0, 4, NaN, -3, 2], 96, 26);
  expect(points).toHaveLength(5);
  for (const [x, y] of points) {
    expect(x).toBeGreaterThanOrEqual(0);
    expect(x).toBeLessThanOrEqual(96);
    expect(y).toBeGreaterThanOrEqual(0);
    expect(y).toBeLessThanOrEqual(26);
  }
  expect(points[1]?.[1]).toBe(1.5);
  expect(sparkline_points([], 96, 26)).toEqual([]);
  expect(sparkline_points([5], 96, 26)).toHaveLength(1);
});
