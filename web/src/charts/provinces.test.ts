// SPDX-License-Identifier: Apache-2.0
import { expect, test } from 'vitest';

import { kRegions } from '../i18n/names';
import { by_province, kProvinces, level_of, share_level } from './provinces';

test('34 units, each known by name, none on top of another', () => {
  expect(kProvinces).toHaveLength(34);
  expect(new Set(kProvinces.map(([, , column, row]) => `${column} ${row}`)).size).toBe(34);
  expect(new Set(kProvinces.map(([, code]) => code)).size).toBe(34);
  expect(kProvinces.map(([name]) => name).sort()).toEqual(kRegions.filter((r) => r !== 'unknown').sort());
});

test('cities count for their province, the rest is elsewhere', () => {
  const facet = (name: string, posts: number) => ({ name, posts });
  const { provinces, elsewhere } = by_province(
    [facet('广东', 5), facet('广东 深圳', 3), facet('unknown', 2), facet('海外', 1)],
    [facet('广东 深圳', 2), facet('北京', 1)],
  );
  expect([...provinces]).toEqual([['广东', { posts: 8, negative: 2 }]]);
  expect(elsewhere).toBe(3);
  expect(by_province([facet('北京', 1)], null).provinces.get('北京')).toEqual({ posts: 1, negative: null });
});

test.each([[0, 100, 0], [1, 100, 1], [4, 100, 1], [25, 100, 3], [100, 100, 5], [1, 0, 0], [NaN, 5, 0]])(
  '%d of at most %d has colour %d',
  (value, most, level) => expect(level_of(value, most)).toBe(level),
);

test.each([[null, 0], [0, 0], [0.05, 1], [0.1, 2], [0.3, 3], [0.5, 4], [0.6, 5], [1, 5], [NaN, 0]])(
  'a negative share of %s has colour %d',
  (share, level) => expect(share_level(share)).toBe(level),
);
