// SPDX-License-Identifier: Apache-2.0
import { expect, test } from 'vitest';

import { parse_route, route_hash } from './router';
import { add_newest, fields_of, from_local_input, local_input, marked_words, query_of, rule_of, toggled } from './search_fields';
import { make_post } from './testing';

test('a search stands in its address and comes back from it', () => {
  const address = route_hash('search', '', { q: '"不给 退款" OR /退[款货]/', region: '广东', since: '24h', live: 1 });
  const fields = fields_of(parse_route(address));
  expect(query_of(fields)).toEqual({ q: '"不给 退款" OR /退[款货]/', region: '广东', since: '24h' });
});

test('a facet chosen twice is let go', () => {
  const none = fields_of(parse_route('#/search'));
  const one = toggled(none, 'topic', 'finance');
  expect(one.topic).toBe('finance');
  expect(toggled(one, 'topic', 'finance').topic).toBe('');
  expect(toggled(one, 'topic', 'car').topic).toBe('car');
});

test.each([
  ['退款', ['退款']],
  ['退款 OR 退钱 -广告 NOT 兼职', ['退款', '退钱']],
  ['"不给 退款" NEAR/5 客服', ['不给', '退款', '客服']],
  ['(a AND b) topic:finance region:"广东 深圳" /退[款货] ?x/ c', ['a', 'b', 'c']],
  ['or and', ['or', 'and']],
  ['#高考# @张三', ['#高考#', '@张三']],
  ['', []],
])('%s marks %j', (query, words) => expect(marked_words(query)).toEqual(words));

test.each([
  [{ q: '退款 OR 退钱' }, '退款 OR 退钱'],
  [{ q: '退款 OR 退钱', topic: 'finance', region: '广东 深圳' }, '(退款 OR 退钱) topic:finance region:"广东 深圳"'],
  [{ q: '退款 -广告', emotion: 'angry' }, '退款 -广告 emotion:angry'],
  [{ topic: 'car', since: '24h' }, 'topic:car'],
  [{ q: '', author: 'a"b' }, 'author:"a b"'],
])('%j as a rule', (search, rule) => expect(rule_of(search)).toBe(rule));

test('new posts go in front, none twice, no more than asked', () => {
  const known = [make_post('b'), make_post('a')];
  expect(add_newest(known, [make_post('c'), make_post('b')], 10).map((p) => p.id)).toEqual(['c', 'b', 'a']);
  expect(add_newest(known, [make_post('c')], 2).map((p) => p.id)).toEqual(['c', 'b']);
  expect(add_newest(known, [make_post('a')], 10)).toBe(known);
});

test('times in fields are of the browser, in addresses of UTC', () => {
  const utc = '2026-11-25T12:05:00Z';
  expect(from_local_input(local_input(utc))).toBe(utc);
  for (const none of ['', '24h', '3600', 'nonsense']) expect(local_input(none)).toBe('');
  expect(from_local_input('')).toBe('');
});
