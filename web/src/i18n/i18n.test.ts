// SPDX-License-Identifier: Apache-2.0
import { expect, test } from 'vitest';

import { pick_language } from '../preferences';
import { kMessages, translate, type MessageId } from './messages';
import { emotion_name, key_name, kind_name, region_name, severity_name, topic_name } from './names';

const ids = Object.keys(kMessages.en) as MessageId[];
const holes = (text: string) => (text.match(/\{\w+\}/g) ?? []).sort();

test.each(ids)('%s says the same in both languages', (id) => {
  expect(kMessages.zh[id]).not.toBe('');
  expect(kMessages.en[id]).not.toBe('');
  expect(holes(kMessages.zh[id])).toEqual(holes(kMessages.en[id]));
});

test('translate fills the holes and leaves unknown ones', () => {
  expect(translate('en', 'vitals.queue', { count: 3 })).toBe('Queue 3');
  expect(translate('en', 'vitals.queue')).toBe('Queue {count}');
  expect(translate('en', 'alerts.announce.opened', { title: '{count} $& <b>' })).toBe(
    'New alert: {count} $& <b>',
  );
});

test.each([
  [null, 'zh-CN', 'zh'], [null, 'zh', 'zh'], [null, 'ZH-tw', 'zh'], [null, 'en-US', 'en'], [null, 'fr', 'en'],
  ['en', 'zh-CN', 'en'], ['zh', 'en', 'zh'], ['xx', 'zh-CN', 'zh'],
])('stored %s, preferred %s: %s', (stored, preferred, lang) => {
  expect(pick_language(stored, preferred)).toBe(lang);
});

test.each([
  ['finance@*', '财经', 'Finance'],
  ['finance@广东', '财经 · 广东', 'Finance · Guangdong'],
  ['*@广东', '广东', 'Guangdong'],
  ['*@*', '全部', 'Everything'],
  ['finance@山东 济南', '财经 · 山东 济南', 'Finance · Shandong 济南'],
  ['finance@unknown', '财经 · 地区未知', 'Finance · Region unknown'],
  ['#高考#', '#高考#', '#高考#'],
  ['kw:退款', '“退款”', '“退款”'],
  ['rule:退款潮', '规则 退款潮', 'Rule 退款潮'],
  ['copy:8bd63a37 快来买,', '“快来买,”', '“快来买,”'],
  ['emergent:停电', '“停电”', '“停电”'],
  ['brandnew@深圳', 'brandnew · 深圳', 'brandnew · 深圳'],
])('the name of %s', (key, zh, en) => {
  expect(key_name('zh', key)).toBe(zh);
  expect(key_name('en', key)).toBe(en);
});

test('labels that this page does not know are shown as they are', () => {
  for (const name of [emotion_name, kind_name, severity_name, topic_name, region_name]) {
    expect(name('zh', 'newer')).toBe('newer');
  }
});
