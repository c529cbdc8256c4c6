// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from 'vitest';

import { EventParser, kEventCharactersMax, type ServerEvent } from './sse';

const parse = (text: string) => new EventParser().feed(text);

describe('EventParser', () => {
  const cases: [string, string, ServerEvent[]][] = [
    ['one event', 'event: stats\ndata: {"a":1}\n\n', [{ event: 'stats', data: '{"a":1}' }]],
    ['no event name', 'data: x\n\n', [{ event: 'message', data: 'x' }]],
    ['no space after the colon', 'event:post\ndata:x\n\n', [{ event: 'post', data: 'x' }]],
    ['only one space is taken off', 'data:  x\n\n', [{ event: 'message', data: ' x' }]],
    ['lines of data are joined', 'data: a\ndata: b\n\n', [{ event: 'message', data: 'a\nb' }]],
    ['a comment says nothing', ': still here\n\n', []],
    ['an event without data is dropped', 'event: stats\n\n', []],
    ['and its name is not kept', 'event: stats\n\ndata: x\n\n', [{ event: 'message', data: 'x' }]],
    ['CR LF ends a line', 'event: a\r\ndata: x\r\n\r\n', [{ event: 'a', data: 'x' }]],
    ['a field without a colon', 'data\n\n', [{ event: 'message', data: '' }]],
    ['unknown fields are skipped', 'retry: 5\nfoo: bar\ndata: x\n\n', [{ event: 'message', data: 'x' }]],
    ['an unfinished event waits', 'data: x\n', []],
  ];
  test.each(cases)('%s', (_, text, events) => {
    expect(parse(text)).toEqual(events);
  });

  test('gives the same events however the text is cut', () => {
    const text = 'id: 7\r\nevent: alert\r\ndata: 退款\r\n\r\n: c\n\nevent: post\ndata: 你\ndata: 好\n\n';
    const whole = parse(text);
    expect(whole).toHaveLength(2);
    for (let cut = 1; cut < text.length; ++cut) {
      const parser = new EventParser();
      const pieces = [...parser.feed(text.slice(0, cut)), ...parser.feed(text.slice(cut))];
      expect(pieces, `cut at ${cut}`).toEqual(whole);
      expect(parser.last_id).toBe('7');
    }
  });

  test('keeps the last id over events without one', () => {
    const parser = new EventParser('from before');
    parser.feed('data: x\n\n');
    expect(parser.last_id).toBe('from before');
    parser.feed('id: 12\ndata: x\n\nevent: stats\ndata: y\n\n');
    expect(parser.last_id).toBe('12');
  });

  test('refuses a line without end', () => {
    const parser = new EventParser();
    expect(() => parser.feed('data: ' + 'x'.repeat(kEventCharactersMax + 1))).toThrow(RangeError);
  });

  test('refuses an event without end', () => {
    const parser = new EventParser();
    const line = `data: ${'x'.repeat(1000)}\n`;
    expect(() => parser.feed(line.repeat(kEventCharactersMax / 1000 + 2))).toThrow(RangeError);
  });
});
