// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from 'vitest';

import type { Alert } from '../api/types';
import { kStart, make_alert, make_post, make_stats } from '../testing';
import {
  initial_live_state,
  kAlertsMax,
  kPostsMax,
  kPulsePointsMax,
  order_alerts,
  reduce,
  type LiveAction,
  type LiveState,
} from './state';

const kNow = kStart * 1000;
const event = (name: string, data: unknown, now_ms = kNow): LiveAction => ({
  type: 'event',
  event: { event: name, data: typeof data === 'string' ? data : JSON.stringify(data) },
  now_ms,
});
const told = (alert: Alert, what: string) => event('alert', { ...alert, event: what });
const run = (actions: LiveAction[], from: LiveState = initial_live_state) =>
  actions.reduce(reduce, from);
const at = (second: number) => new Date((kStart + second) * 1000).toISOString();

describe('stats', () => {
  test('become the pulse, one point a second', () => {
    const state = run([
      event('stats', make_stats({ time: at(0), posts_per_second: 10 })),
      event('stats', make_stats({ time: at(1), posts_per_second: 20 })),
    ]);
    expect(state.pulse.map((p) => [p.second - kStart, p.posts_per_second])).toEqual([
      [0, 10],
      [1, 20],
    ]);
    expect(state.stats?.posts_per_second).toBe(20);
  });

  test('of one second: the later word counts', () => {
    const state = run([
      event('stats', make_stats({ posts_per_second: 10 })),
      event('stats', make_stats({ posts_per_second: 12 })),
    ]);
    expect(state.pulse.map((p) => p.posts_per_second)).toEqual([12]);
  });

  test('are bounded', () => {
    const actions = Array.from({ length: kPulsePointsMax + 50 }, (_, i) =>
      event('stats', make_stats({ time: at(i) })),
    );
    const { pulse } = run(actions);
    expect(pulse).toHaveLength(kPulsePointsMax);
    expect(pulse[pulse.length - 1]?.second).toBe(kStart + kPulsePointsMax + 49);
  });

  test('tell how far the clocks are apart', () => {
    expect(run([event('stats', make_stats(), kNow - 90_000)]).skew_ms).toBe(90_000);
  });

  test('after a clock set back start the pulse afresh', () => {
    const state = run([
      event('stats', make_stats({ time: at(100) })),
      event('stats', make_stats({ time: at(3) })),
    ]);
    expect(state.pulse.map((p) => p.second - kStart)).toEqual([3]);
  });
});

describe('posts', () => {
  test('come newest first, once each, and not without end', () => {
    const ids = Array.from({ length: kPostsMax + 5 }, (_, i) => `p${i}`);
    const state = run([...ids, 'p84'].map((id) => event('post', make_post(id))));
    expect(state.posts).toHaveLength(kPostsMax);
    expect(state.posts[0]?.id).toBe('p84');
    expect(state.posts[1]?.id).toBe('p83');
  });
});

test('posts from the API fill an empty page, and only that', () => {
  const fill: LiveAction = { type: 'posts', posts: [make_post('a'), make_post('b')] };
  expect(run([fill]).posts.map((p) => p.id)).toEqual(['a', 'b']);
  expect(run([event('post', make_post('live')), fill]).posts.map((p) => p.id)).toEqual(['live']);
});

describe('alerts', () => {
  test('open, change and close', () => {
    const opened = run([told(make_alert('a'), 'opened')]);
    expect([...opened.alerts.keys()]).toEqual(['a']);
    expect(opened.announcement).toMatchObject({ event: 'opened', alert: { id: 'a' } });
    expect(opened.alerts.get('a')).not.toHaveProperty('event');

    const changed = run([told(make_alert('a', { to_rate: 0.9, updated_at: at(30) }), 'updated')], opened);
    expect(changed.alerts.get('a')?.to_rate).toBe(0.9);
    expect(changed.announcement).toBe(opened.announcement);

    const end = make_alert('a', { state: 'closed', closed_at: at(60), updated_at: at(60) });
    const closed = run([told(end, 'closed')], changed);
    expect(closed.alerts.size).toBe(0);
    expect(closed.announcement).toMatchObject({ event: 'closed', alert: { id: 'a' } });
  });

  test('keep the newer word when an older one is replayed', () => {
    const newer = make_alert('a', { updated_at: at(30), posts: 99 });
    const state = run([told(newer, 'updated'), told(make_alert('a'), 'opened')]);
    expect(state.alerts.get('a')?.posts).toBe(99);
  });

  test('that closed before they were known say nothing', () => {
    const state = run([told(make_alert('a', { state: 'closed', closed_at: at(9) }), 'closed')]);
    expect(state.announcement).toBeNull();
  });

  test('acknowledged stay, as acknowledged', () => {
    const state = run([
      told(make_alert('a'), 'opened'),
      { type: 'alert', alert: make_alert('a', { state: 'acknowledged' }) },
    ]);
    expect(state.alerts.get('a')?.state).toBe('acknowledged');
  });

  test('from the API replace what is known, but for what the stream told meanwhile', () => {
    const known = run([
      told(make_alert('gone'), 'opened'),
      told(make_alert('ahead', { updated_at: at(50), posts: 50 }), 'updated'),
    ]);
    const before = new Set(known.alerts.keys());
    const state = run(
      [
        told(make_alert('fresh'), 'opened'),
        { type: 'alerts', alerts: [make_alert('ahead', { posts: 40 }), make_alert('new')], before },
      ],
      known,
    );
    expect([...state.alerts.keys()].sort()).toEqual(['ahead', 'fresh', 'new']);
    expect(state.alerts.get('ahead')?.posts).toBe(50);
    expect(state.alerts_loaded).toBe(true);
  });

  test('are bounded, the oldest given up first', () => {
    const actions = Array.from({ length: kAlertsMax + 3 }, (_, i) => told(make_alert(`a${i}`), 'opened'));
    const { alerts } = run(actions);
    expect(alerts.size).toBe(kAlertsMax);
    expect(alerts.has('a2')).toBe(false);
    expect(alerts.has(`a${kAlertsMax + 2}`)).toBe(true);
  });
});

describe('what is not understood leaves the state as it was', () => {
  const cases: [string, LiveAction][] = [
    ['not JSON', event('stats', '{')],
    ['not an object', event('stats', '3')],
    ['null', event('alert', 'null')],
    ['stats without a time', event('stats', { posts_per_second: 1 })],
    ['stats with a bad time', event('stats', make_stats({ time: 'soon' }))],
    ['an alert without a key', event('alert', { id: 'a' })],
    ['a post without an emotion', event('post', { id: 'p', text: '' })],
    ['an unknown event', event('weather', {})],
  ];
  test.each(cases)('%s', (_, action) => {
    expect(reduce(initial_live_state, action)).toBe(initial_live_state);
  });
});

test('order_alerts puts first what needs eyes first', () => {
  const alerts = [
    make_alert('acked', { severity: 'critical', state: 'acknowledged' }),
    make_alert('info', { severity: 'info' }),
    make_alert('strange', { severity: 'purple' }),
    make_alert('older', { opened_at: at(0) }),
    make_alert('newer', { opened_at: at(60) }),
    make_alert('grave', { severity: 'critical' }),
  ];
  expect(order_alerts(alerts).map((a) => a.id)).toEqual([
    'grave', 'newer', 'older', 'info', 'strange', 'acked',
  ]);
});
