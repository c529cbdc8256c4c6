// SPDX-License-Identifier: Apache-2.0
import { expect, test } from 'vitest';

import { bars_since, histogram_of, parse_metrics, trimmed, value_of } from './metrics_text';

const kText = `# HELP a Help with {braces} 1
# TYPE seconds histogram
seconds_bucket{stage="infer",le="0.005"} 2
seconds_bucket{stage="infer",le="0.05"} 7
seconds_bucket{stage="infer",le="+Inf"} 8
seconds_bucket{stage="store",le="+Inf"} 1
plain 3.5
odd{name="a\\"b\\\\c\\nd"} +Inf
not a sample
`;

test('samples with their labels; lines that are none are passed over', () => {
  const samples = parse_metrics(kText);
  expect(samples).toHaveLength(6);
  expect(value_of(samples, 'plain')).toBe(3.5);
  expect(value_of(samples, 'absent')).toBe(null);
  expect(value_of(samples, 'seconds_bucket', { stage: 'store' })).toBe(1);
  expect(samples.at(-1)).toEqual({ name: 'odd', labels: { name: 'a"b\\c\nd' }, value: Infinity });
});

test('a histogram is the differences of its buckets', () => {
  const bars = histogram_of(parse_metrics(kText), 'seconds', 'stage', 'infer');
  expect(bars).toEqual([{ to: 0.005, count: 2 }, { to: 0.05, count: 5 }, { to: Infinity, count: 1 }]);
  expect(histogram_of(parse_metrics(kText), 'seconds', 'stage', 'none')).toEqual([]);
});

test('what came since, and never less than nothing after a restart', () => {
  const now = [{ to: 1, count: 5 }, { to: 2, count: 1 }];
  expect(bars_since(now, [{ to: 1, count: 2 }, { to: 2, count: 4 }])).toEqual([{ to: 1, count: 3 }, { to: 2, count: 0 }]);
});

test.each([
  [[0, 0, 0], []],
  [[0, 0, 3, 0, 1, 0, 0], [0, 3, 0, 1, 0]],
  [[2, 0], [2, 0]],
])('%j without its empty ends', (counts, kept) => {
  expect(trimmed(counts.map((count, to) => ({ to, count }))).map((b) => b.count)).toEqual(kept);
});
