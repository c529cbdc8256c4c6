// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from 'vitest';

import {
  format_ago,
  format_count,
  format_duration,
  format_ms,
  format_rate,
  format_share,
  format_time,
  format_times,
  safe_link,
  text_parts,
} from './format';

const kNow = Date.parse('2026-11-23T05:00:00Z');
const kZone = 'Asia/Shanghai';

test.each([
  [0, '0', '0'],
  [1234, '1,234', '1,234'],
  [99_999, '99,999', '99,999'],
  [4_182_733, '418.3万', '4.2M'],
  [NaN, '–', '–'],
])('format_count(%d)', (value, zh, en) => {
  expect(format_count('zh', value)).toBe(zh);
  expect(format_count('en', value)).toBe(en);
});

test.each([
  [0, '0'], [3, '3'], [0.254, '0.25'], [3.14, '3.1'], [9.999, '10.0'], [42.25, '42.3'], [42, '42'], [1234.5, '1,235'],
  [Infinity, '–'],
])('format_rate(%d) is %s', (value, text) => expect(format_rate('en', value)).toBe(text));

test.each([[0, '0'], [0.42, '0.42'], [3.14, '3.1'], [12.4, '12'], [120, '120'], [NaN, '–']])(
  'format_ms(%d) is %s',
  (value, text) => expect(format_ms('en', value)).toBe(text),
);

test.each([[0, '0%'], [0.001, '<1%'], [0.61, '61%'], [0.995, '100%'], [1, '100%'], [NaN, '–']])(
  'format_share(%d) is %s',
  (share, text) => expect(format_share(share)).toBe(text),
);

test('format_times says nothing of what came from next to nothing', () => {
  expect(format_times('en', 12, 42)).toBe('3.5');
  expect(format_times('en', 3, 57)).toBe('19');
  expect(format_times('en', 0, 42)).toBeNull();
  expect(format_times('en', 0.1, 42)).toBeNull();
});

test.each([
  ['2026-11-23T04:59:58Z', '刚刚', 'just now'],
  ['2026-11-23T05:00:20Z', '刚刚', 'just now'],
  ['2026-11-23T04:59:30Z', '30 秒前', '30 s ago'],
  ['2026-11-23T04:50:00Z', '10 分钟前', '10 min ago'],
  ['2026-11-23T01:00:00Z', '4 小时前', '4 h ago'],
  ['2026-11-20T01:00:00Z', '11/20 09:00', '20 Nov, 09:00'],
  ['2012-11-20T01:00:00Z', '2012/11/20 09:00', '20 Nov 2012, 09:00'],
  ['soon', '–', '–'],
])('format_ago(%s)', (time, zh, en) => {
  expect(format_ago('zh', time, kNow, kZone)).toBe(zh);
  expect(format_ago('en', time, kNow, kZone)).toBe(en);
});

test('format_time leaves today out', () => {
  expect(format_time('zh', '2026-11-23T04:59:58Z', kNow, kZone)).toBe('12:59:58');
  expect(format_time('en', '2026-11-22T04:59:58Z', kNow, kZone)).toBe('22 Nov, 12:59');
});

test.each([
  [0, '0 秒', '0 s'],
  [59_000, '59 秒', '59 s'],
  [60_000, '1 分', '1 min'],
  [3_725_000, '1 小时 2 分', '1 h 2 min'],
  [90_000_000, '1 天 1 小时', '1 d 1 h'],
  [-5, '0 秒', '0 s'],
])('format_duration(%d)', (ms, zh, en) => {
  expect(format_duration('zh', ms)).toBe(zh);
  expect(format_duration('en', ms)).toBe(en);
});

describe('text_parts', () => {
  const kinds = (text: string, query = '') =>
    text_parts(text, query).map((p) => `${p.kind[0]}:${p.text}`);
  test.each([
    ['', '', []],
    ['退款', '', ['p:退款']],
    ['#高考# 加油', '', ['h:#高考#', 'p: 加油']],
    ['还我退款!', '退款', ['p:还我', 'h:退款', 'p:!']],
    ['#退款难# 退款', '退款', ['h:#退款难#', 'p: ', 'h:退款']],
    ['Refund REFUND', 'refund', ['h:Refund', 'p: ', 'h:REFUND']],
    ['a.b a+b', 'a.b', ['h:a.b', 'p: a+b']],
    ['#不是 标签#', '', ['p:#不是 标签#']],
    ['##', '', ['p:##']],
  ])('%s with %s', (text, query, parts) => expect(kinds(text, query)).toEqual(parts));

  test('joined give the text back', () => {
    const text = '<b>x</b> #a# #b##c# 退款(退) \n\u{1F600}[泪]//@n:';
    for (const query of ['', '退', '( [', 'x \\ *', '😀']) {
      const joined = text_parts(text, query).map((p) => p.text).join('');
      expect(joined).toBe(text);
    }
  });
});

test.each([
  ['https://a.example/x', 'https://a.example/x'],
  ['http://a.example/', 'http://a.example/'],
  ['javascript:alert(1)', null],
  ['data:text/html,x', null],
  ['not a link', null],
  [null, null],
])('safe_link(%s)', (url, link) => expect(safe_link(url)).toBe(link));
