// SPDX-License-Identifier: Apache-2.0
import { expect, test } from 'vitest';

import { parse_key, parse_route, route_hash, type View } from './router';
import { make_post } from './testing';
import { buckets_of, is_about, posts_of_key } from './topic_keys';

test.each<[string, View, string, Record<string, string>]>([
  ['', 'now', '', {}],
  ['#', 'now', '', {}],
  ['#/', 'now', '', {}],
  ['#/?kind=hashtag', 'now', '', { kind: 'hashtag' }],
  ['#/topic/finance@*', 'topic', 'finance@*', {}],
  ['#/topic/finance@%E5%B9%BF%E4%B8%9C?range=600', 'topic', 'finance@广东', { range: '600' }],
  ['#/topic/%23%E9%AB%98%E8%80%83%23', 'topic', '#高考#', {}],
  ['#/topic/#高考#', 'topic', '#高考#', {}],
  ['#/topic/kw:a/b', 'topic', 'kw:a/b', {}],
  ['#/topic/100%', 'topic', '100%', {}],
  ['#/topic/', 'missing', '', {}],
  ['#/alerts', 'alerts', '', {}],
  ['#/alerts?state=open', 'alerts', '', { state: 'open' }],
  ['#/alerts/al_1', 'alert', 'al_1', {}],
  ['#/search?q=%E9%80%80%E6%AC%BE&emotion=angry', 'search', '', { q: '退款', emotion: 'angry' }],
  ['#/rules', 'rules', '', {}],
  ['#/rules/%E9%80%80%E6%AC%BE%E6%BD%AE', 'rule', '退款潮', {}],
  ['#/rules/+?query=x', 'rule', '+', { query: 'x' }],
  ['#/models', 'models', '', {}],
  ['#/system?stage=infer', 'system', '', { stage: 'infer' }],
  ['#/system/x', 'missing', '', {}],
  ['#/nothing', 'missing', '', {}],
])('%s', (hash, view, id, params) => {
  const route = parse_route(hash);
  expect(route.view).toBe(view);
  if (view !== 'missing') expect(route.id).toBe(id);
  expect(Object.fromEntries(route.params)).toEqual(params);
});

test.each(['finance@*', 'finance@广东', '#高考#', 'kw:退款', 'kw:a?b=c&d', '#50%#', 'a/b@*'])(
  'the address of topic %s leads back to it',
  (key) => {
    const route = parse_route(route_hash('topic', key, { range: '600' }));
    expect([route.view, route.id, route.params.get('range')]).toEqual(['topic', key, '600']);
  },
);

test('empty parameters are left out of an address', () => {
  expect(route_hash('search', '', { q: 'x', topic: '', region: undefined })).toBe('#/search?q=x');
});

test.each([
  ['finance@广东', { topic: 'finance', region: '广东' }],
  ['finance@*', { topic: 'finance' }],
  ['*@广东', { region: '广东' }],
  ['*@*', {}],
  ['#高考#', { q: '#高考#' }],
  ['kw:退款', { q: '"退款"' }],
  ['copy:8bd63a37 快来买", OR', { q: '"快来买 ,"' }],
  ['copy:8bd63a37 羽绒服清仓，原价9040现价12', { q: '"羽绒服清仓，原价"' }],
  ['copy:8bd63a37 买A送B', { q: '"买A送B"' }],
  ['emergent:停电', { q: '"停电"' }],
  ['rule:退款潮', { q: '"退款潮"' }],
])('the posts of %s', (key, query) => expect(posts_of_key(key)).toEqual(query));

test.each([
  ['finance@广东', 'finance@广东', true],
  ['finance@广东', 'finance@*', true],
  ['finance@广东', '*@广东', true],
  ['finance@广东', '*@*', true],
  ['finance@*', 'finance@广东', false],
  ['travel@广东', 'finance@*', false],
  ['#a#', '#a#', true],
  ['#a#', '*@*', false],
])('an alert on %s concerns %s: %s', (alert, key, yes) => expect(is_about(alert, key)).toBe(yes));

test('posts in equal parts of a time; those outside are left out', () => {
  const at = (id: string, time: string, emotion: string) => ({ ...make_post(id), time, emotion: { label: emotion, probability: 1 } });
  const from = Date.parse('2026-11-23T05:00:00Z') / 1000;
  const { buckets, seconds } = buckets_of(
    [at('a', '2026-11-23T05:00:10Z', 'sad'), at('b', '2026-11-23T05:00:59Z', 'happy'), at('c', '2026-11-23T05:09:59Z', 'sad'), at('d', '2026-11-23T04:59:59Z', 'sad')],
    from, from + 600, 10,
  );
  expect(seconds).toBe(60);
  expect(buckets.map((b) => [b.posts, b.negative]).filter(([posts]) => posts)).toEqual([[2, 1], [1, 1]]);
});

test('parse_key tells the kinds apart', () => {
  expect(parse_key('##').kind).toBe('topic');
  expect(parse_key('kw:')).toEqual({ kind: 'keyword', term: '' });
  expect(parse_key('finance')).toEqual({ kind: 'topic', topic: 'finance', region: '*' });
});
