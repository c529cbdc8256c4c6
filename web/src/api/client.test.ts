// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { api, ApiError, utc_offset, with_query } from './client';

beforeEach(() => vi.stubGlobal('document', { baseURI: 'http://desk.example/tide/' }));
afterEach(() => vi.unstubAllGlobals());

function answer(response: () => Response | Promise<Response>) {
  const fetch = vi.fn((url: string) => {
    void url;
    return Promise.resolve(response());
  });
  vi.stubGlobal('fetch', fetch);
  return fetch;
}

test('with_query leaves out what is not asked for', () => {
  expect(with_query('v1/posts', { q: '退款 #a#', topic: '', before: undefined, limit: 0 })).toBe(
    'v1/posts?q=%E9%80%80%E6%AC%BE+%23a%23&limit=0',
  );
  expect(with_query('v1/posts', {})).toBe('v1/posts');
});

test('calls stay on the server of the page, below its path, with keys encoded', async () => {
  const fetch = answer(() => Response.json({ key: '#a#', step_seconds: 60, points: [] }));
  await api.series('#a/b?#', { since: 60 }, new AbortController().signal);
  expect(fetch.mock.calls[0]?.[0]).toBe('http://desk.example/tide/v1/topics/%23a%2Fb%3F%23/series?since=60');
});

test.each<[string, () => Response, number, string]>([
  ['problem details', () => Response.json({ detail: 'no such key', title: 'x' }, { status: 404 }), 404, 'no such key'],
  ['a title alone', () => Response.json({ title: 'Not Found' }, { status: 404 }), 404, 'Not Found'],
  ['something else', () => new Response('<html>', { status: 502 }), 502, ''],
  ['not JSON though 200', () => new Response('<html>'), 0, ''],
])('an answer with %s', async (_, response, status, detail) => {
  answer(response);
  const failure = await api.alert('a', new AbortController().signal).catch((e: unknown) => e);
  expect(failure).toBeInstanceOf(ApiError);
  expect(failure).toMatchObject({ status, detail });
});

test('an engine out of reach is status 0', async () => {
  answer(() => Promise.reject(new TypeError('refused')));
  await expect(api.stats(new AbortController().signal)).rejects.toMatchObject({ status: 0 });
});

test('a call that was given up is not an error of the engine', async () => {
  const stop = new AbortController();
  answer(() => {
    stop.abort();
    return Promise.reject(new DOMException('aborted', 'AbortError'));
  });
  await expect(api.stats(stop.signal)).rejects.not.toBeInstanceOf(ApiError);
});

test.each([[-480, '+08:00'], [0, '+00:00'], [210, '-03:30'], [-345, '+05:45']])(
  'a clock %d minutes behind UTC is at %s',
  (minutes, offset) => expect(utc_offset(minutes)).toBe(offset),
);
