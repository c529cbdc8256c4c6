// SPDX-License-Identifier: Apache-2.0
// Calls to the engine that served this page. Nothing else is ever contacted.

import type { Alert, AlertActionName, Alerts, Posts, Series, Stats, Trends } from './types';

/** What the engine answered when it did not do as asked; status 0: it could not be reached. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly detail: string,
  ) {
    super(detail === '' ? `HTTP ${status}` : detail);
    this.name = 'ApiError';
  }
}

export type Query = Record<string, string | number | undefined>;

/** Builds `path?query` without the parameters that are undefined or empty. */
export function with_query(path: string, query: Query): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== '') params.set(name, String(value));
  }
  const text = params.toString();
  return text === '' ? path : `${path}?${text}`;
}

/** Resolves against the page, so that the dashboard may live below a path. */
export function api_url(path: string): string {
  return new URL(path, document.baseURI).href;
}

const kTimeoutMs = 15_000;

async function call<T>(path: string, init: RequestInit = {}): Promise<T> {
  const timeout = AbortSignal.timeout(kTimeoutMs);
  const stop = new AbortController();
  const abort = () => stop.abort();
  init.signal?.addEventListener('abort', abort);
  timeout.addEventListener('abort', abort);
  try {
    const response = await fetch(api_url(path), { ...init, signal: stop.signal });
    if (!response.ok) throw new ApiError(response.status, await problem_detail(response));
    return (await response.json()) as T;
  } catch (error) {
    if (error instanceof ApiError || init.signal?.aborted) throw error;
    throw new ApiError(0, '');
  } finally {
    init.signal?.removeEventListener('abort', abort);
  }
}

/** Reads RFC 9457 problem details; anything else gives an empty text. */
async function problem_detail(response: Response): Promise<string> {
  try {
    const body = (await response.json()) as { detail?: unknown; title?: unknown };
    if (typeof body.detail === 'string') return body.detail;
    if (typeof body.title === 'string') return body.title;
  } catch {
    // Not JSON: the status alone must do.
  }
  return '';
}

export interface PostQuery {
  q?: string;
  topic?: string;
  region?: string;
  emotion?: string;
  author?: string;
  since?: string;
  until?: string;
  limit?: number;
  before?: number;
}

export const api = {
  stats: (signal: AbortSignal) => call<Stats>('v1/stats', { signal }),
  trends: (query: Query, signal: AbortSignal) =>
    call<Trends>(with_query('v1/trends', query), { signal }),
  series: (key: string, query: Query, signal: AbortSignal) =>
    call<Series>(with_query(`v1/topics/${encodeURIComponent(key)}/series`, query), { signal }),
  alerts: (query: Query, signal: AbortSignal) =>
    call<Alerts>(with_query('v1/alerts', query), { signal }),
  alert: (id: string, signal: AbortSignal) =>
    call<Alert>(`v1/alerts/${encodeURIComponent(id)}`, { signal }),
  act: (id: string, action: AlertActionName, request: { minutes?: number } = {}) =>
    call<Alert>(`v1/alerts/${encodeURIComponent(id)}/${action}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ by: 'dashboard', ...request }),
    }),
  posts: (query: PostQuery, signal: AbortSignal) =>
    call<Posts>(with_query('v1/posts', { ...query }), { signal }),
};
