// SPDX-License-Identifier: Apache-2.0
// China's 34 province-level units as equal tiles: where each stands, so that no borders are drawn.

import type { Facet } from '../api/types';

/** name, code (ISO 3166-2), column, row */
export const kProvinces: readonly (readonly [string, string, number, number])[] = [
  ['黑龙江', 'HL', 8, 0],
  ['内蒙古', 'NM', 5, 1], ['北京', 'BJ', 6, 1], ['吉林', 'JL', 8, 1],
  ['新疆', 'XJ', 0, 2], ['甘肃', 'GS', 2, 2], ['宁夏', 'NX', 3, 2], ['山西', 'SX', 4, 2], ['河北', 'HE', 5, 2],
  ['天津', 'TJ', 6, 2], ['辽宁', 'LN', 7, 2],
  ['青海', 'QH', 1, 3], ['陕西', 'SN', 3, 3], ['河南', 'HA', 4, 3], ['山东', 'SD', 5, 3],
  ['西藏', 'XZ', 0, 4], ['四川', 'SC', 2, 4], ['重庆', 'CQ', 3, 4], ['湖北', 'HB', 4, 4], ['安徽', 'AH', 5, 4],
  ['江苏', 'JS', 6, 4], ['上海', 'SH', 7, 4],
  ['云南', 'YN', 2, 5], ['贵州', 'GZ', 3, 5], ['湖南', 'HN', 4, 5], ['江西', 'JX', 5, 5], ['浙江', 'ZJ', 6, 5],
  ['广西', 'GX', 3, 6], ['广东', 'GD', 4, 6], ['福建', 'FJ', 5, 6], ['台湾', 'TW', 7, 6],
  ['海南', 'HI', 3, 7], ['澳门', 'MO', 4, 7], ['香港', 'HK', 5, 7],
];

export interface RegionCount {
  posts: number;
  negative: number | null;
}

/** Counts by province; a city (`广东 深圳`) counts for its province. What is no province goes to
 * `elsewhere`. */
export function by_province(
  posts: readonly Facet[],
  negative: readonly Facet[] | null,
): { provinces: Map<string, RegionCount>; elsewhere: number } {
  const names = new Set(kProvinces.map(([name]) => name));
  const provinces = new Map<string, RegionCount>();
  let elsewhere = 0;
  const province_of = (region: string) => region.split(' ')[0] ?? '';
  for (const { name, posts: count } of posts) {
    const province = province_of(name);
    if (!names.has(province)) {
      elsewhere += count;
      continue;
    }
    const old = provinces.get(province)?.posts ?? 0;
    provinces.set(province, { posts: old + count, negative: negative ? 0 : null });
  }
  for (const { name, posts: count } of negative ?? []) {
    const found = provinces.get(province_of(name));
    if (found) found.negative = Math.min(found.posts, (found.negative ?? 0) + count);
  }
  return { provinces, elsewhere };
}

export const kLevels = 6;

/** Which of the colours 0..5 a value gets: 0 is nothing, the others by the root of its share of the
 * greatest, so that small provinces do not all look empty. */
export function level_of(value: number, greatest: number): number {
  if (!(value > 0) || !(greatest > 0)) return 0;
  return Math.min(kLevels - 1, Math.max(1, Math.ceil(Math.sqrt(value / greatest) * (kLevels - 1))));
}

/** For shares the scale is fixed, so that a colour means the same everywhere: 10, 25, 40, 60 %. */
export function share_level(share: number | null): number {
  if (share === null || !Number.isFinite(share) || share <= 0) return 0;
  return [0.1, 0.25, 0.4, 0.6].filter((edge) => share >= edge).length + 1;
}
