// SPDX-License-Identifier: Apache-2.0
// Keeps GET /v1/live open for as long as the page lives: reconnects with Last-Event-ID, asks for
// the open alerts after each connect, and tells the state of the connection.

import { api, api_url } from '../api/client';
import { Store } from '../store';
import { EventParser } from './sse';
import { initial_live_state, reduce, type LiveAction, type LiveState } from './state';

export const live = new Store<LiveState>(initial_live_state);

export function dispatch(action: LiveAction): void {
  live.set(reduce(live.get(), action));
}

// The engine sends stats once a second and a comment every 15 s: longer silence is a dead peer.
const kSilenceMsMax = 20_000;
const kRetryMsMax = 15_000;

/** How long to wait before try `attempt` (from 1): 0.5 s, doubled to 15 s, spread by up to a fifth
 * so that many desks do not return at once. `random` is in [0, 1). */
export function retry_delay_ms(attempt: number, random: number): number {
  const base = Math.min(kRetryMsMax, 500 * 2 ** Math.min(attempt - 1, 10));
  return Math.round(base * (0.8 + 0.2 * random));
}

let wake: (() => void) | null = null;

/** Ends the wait between two tries. */
export function retry_now(): void {
  wake?.();
}

/** Runs until `stop` aborts. Call once. */
export async function keep_connected(stop: AbortSignal): Promise<void> {
  window.addEventListener('online', retry_now, { signal: stop });
  const parser_id = { last: '' };
  let attempt = 0;
  while (!stop.aborted) {
    const opened = await read_stream(parser_id, stop);
    if (stop.aborted) return;
    attempt = opened ? 1 : attempt + 1;
    const delay = retry_delay_ms(attempt, Math.random());
    dispatch({
      type: 'connection',
      connection: { phase: 'waiting', attempt, retry_at: Date.now() + delay },
    });
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, delay);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    wake = null;
  }
}

/** Reads one connection to its end, however it ends. Returns whether it was ever open. */
async function read_stream(id: { last: string }, stop: AbortSignal): Promise<boolean> {
  const quit = new AbortController();
  const abort = () => quit.abort();
  stop.addEventListener('abort', abort);
  let timer = setTimeout(abort, kSilenceMsMax);
  let opened = false;
  try {
    const headers: Record<string, string> = { Accept: 'text/event-stream' };
    if (id.last !== '') headers['Last-Event-ID'] = id.last;
    const response = await fetch(api_url('v1/live'), {
      headers,
      cache: 'no-store',
      signal: quit.signal,
    });
    if (!response.ok || response.body === null) return false;
    opened = true;
    dispatch({ type: 'connection', connection: { phase: 'open' } });
    void load_open_alerts(quit.signal);
    void load_first_sight(quit.signal);

    const parser = new EventParser(id.last);
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return opened;
      clearTimeout(timer);
      timer = setTimeout(abort, kSilenceMsMax);
      for (const event of parser.feed(decoder.decode(value, { stream: true }))) {
        dispatch({ type: 'event', event, now_ms: Date.now() });
      }
      id.last = parser.last_id;
    }
  } catch {
    return opened; // refused, cut, silent or broken: the caller tries again
  } finally {
    clearTimeout(timer);
    stop.removeEventListener('abort', abort);
    quit.abort();
  }
}

/** Fills a fresh page at once; the stream takes over within a second, so a failure is no matter. */
async function load_first_sight(signal: AbortSignal): Promise<void> {
  if (live.get().stats !== null) return;
  const stats = async () => {
    const data = JSON.stringify(await api.stats(signal));
    if (live.get().stats !== null) return;
    dispatch({ type: 'event', event: { event: 'stats', data }, now_ms: Date.now() });
  };
  const posts = async () => {
    const answer = await api.posts({ limit: 20 }, signal);
    dispatch({ type: 'posts', posts: answer.posts });
  };
  await Promise.allSettled([stats(), posts()]);
}

/** What opened or closed while the stream was away. A failure is made good by the next connect
 * or, for an alert that still grows, by its next event. */
async function load_open_alerts(signal: AbortSignal): Promise<void> {
  const before = new Set(live.get().alerts.keys());
  try {
    const answer = await api.alerts({ state: 'open', limit: 200 }, signal);
    dispatch({ type: 'alerts', alerts: answer.alerts, before });
  } catch {
    if (!signal.aborted) setTimeout(() => !signal.aborted && void load_open_alerts(signal), 3000);
  }
}
