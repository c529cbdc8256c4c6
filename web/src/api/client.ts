// SPDX-License-Identifier: Apache-2.0
// Calls to the engine that served this page. Nothing else is ever contacted.

import type {
  Alert,
  AlertActionName,
  Alerts,
  Canary,
  Channel,
  Cursor,
  Messages,
  Models,
  Posts,
  QueryVerdict,
  RepositoryEntry,
  Rule,
  RulePreview,
  Rules,
  Series,
  Source,
  Stats,
  Summary,
  SwapAnswer,
  System,
  Trends,
} from './types';

/** What the engine answered when it did not do as asked; status 0: it could not be reached. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly detail: string,
    /** the problem's document, where there was one */
    readonly problem: Readonly<Record<string, unknown>> = {},
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
const kSwapTimeoutMs = 120_000; // loads and validates a model

async function call<T>(path: string, init: RequestInit = {}, timeout_ms = kTimeoutMs): Promise<T> {
  return ask(path, init, timeout_ms, async (response) => (await response.json()) as T);
}

async function ask<T>(
  path: string,
  init: RequestInit,
  timeout_ms: number,
  read: (response: Response) => Promise<T>,
): Promise<T> {
  const timeout = AbortSignal.timeout(timeout_ms);
  const stop = new AbortController();
  const abort = () => stop.abort();
  init.signal?.addEventListener('abort', abort);
  timeout.addEventListener('abort', abort);
  try {
    const response = await fetch(api_url(path), { ...init, signal: stop.signal });
    if (!response.ok) throw await problem_of(response);
    return await read(response);
  } catch (error) {
    if (error instanceof ApiError || init.signal?.aborted) throw error;
    throw new ApiError(0, '');
  } finally {
    init.signal?.removeEventListener('abort', abort);
  }
}

/** Reads RFC 9457 problem details; anything else gives an empty text. */
async function problem_of(response: Response): Promise<ApiError> {
  try {
    const body = (await response.json()) as Record<string, unknown>;
    const text = [body['detail'], body['title']].find((t) => typeof t === 'string');
    return new ApiError(response.status, String(text ?? ''), body);
  } catch {
    return new ApiError(response.status, ''); // not JSON: the status alone must do
  }
}

const post_json = (body: unknown, method = 'POST'): RequestInit => ({
  method,
  headers: { 'Content-Type': 'application/json' },
  body: JSON.stringify(body),
});

export interface PostQuery {
  q?: string;
  topic?: string;
  region?: string;
  emotion?: string;
  author?: string;
  source?: string;
  since?: string;
  until?: string;
  limit?: number;
  before?: Cursor;
}

/** What there is not (404) is nothing rather than a failure. */
async function or_null<T>(answer: Promise<T>): Promise<T | null> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null;
    throw error;
  }
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
  act: (id: string, action: AlertActionName, request: { minutes?: number; note?: string; by: string }) =>
    call<Alert>(`v1/alerts/${encodeURIComponent(id)}/${action}`, post_json(request)),
  posts: (query: PostQuery, signal: AbortSignal) =>
    call<Posts>(with_query('v1/posts', { ...query }), { signal }),
  /** null: this engine is of before there were summaries */
  summary: (query: PostQuery & { buckets?: number }, signal: AbortSignal) =>
    or_null(call<Summary>(with_query('v1/posts/summary', { ...query }), { signal })),

  rules: (signal: AbortSignal) => call<Rules>('v1/rules', { signal }),
  rule: (name: string, signal: AbortSignal) =>
    call<Rule>(`v1/rules/${encodeURIComponent(name)}`, { signal }),
  put_rule: (name: string, rule: Pick<Rule, 'query' | 'description' | 'enabled'>) =>
    call<Rule>(`v1/rules/${encodeURIComponent(name)}`, post_json(rule, 'PUT')),
  delete_rule: (name: string) =>
    call<unknown>(`v1/rules/${encodeURIComponent(name)}`, { method: 'DELETE' }),
  validate: (query: string, signal: AbortSignal) =>
    call<QueryVerdict>('v1/rules/validate', { ...post_json({ query }), signal }),
  preview: (query: string, since: string, signal: AbortSignal) =>
    call<RulePreview>('v1/rules/preview', { ...post_json({ query, since }), signal }),

  models: (signal: AbortSignal) => call<Models>('v1/models', { signal }),
  repository: (signal: AbortSignal) =>
    call<RepositoryEntry[]>('v2/repository/index', { ...post_json({}), signal }),
  swap: (model: string, new_engine: string) =>
    call<SwapAnswer>(`v1/models/${encodeURIComponent(model)}/swap`, post_json({ new_engine }), kSwapTimeoutMs),
  rollback: (model: string) =>
    call<SwapAnswer>(`v1/models/${encodeURIComponent(model)}/rollback`, post_json({}), kSwapTimeoutMs),
  /** null: none ran since the start */
  canary: (model: string, signal: AbortSignal) =>
    or_null(call<Canary>(`v1/models/${encodeURIComponent(model)}/canary`, { signal })),
  start_canary: (model: string, request: { new_engine: string; percent: number; mode: string }) =>
    call<Canary>(`v1/models/${encodeURIComponent(model)}/canary`, post_json(request), kSwapTimeoutMs),
  end_canary: (model: string) =>
    call<Canary>(`v1/models/${encodeURIComponent(model)}/canary`, { method: 'DELETE' }, kSwapTimeoutMs),
  promote_canary: (model: string) =>
    call<Canary>(`v1/models/${encodeURIComponent(model)}/canary/promote`, post_json({}), kSwapTimeoutMs),

  outbox: (query: Query, signal: AbortSignal) =>
    call<Messages>(with_query('v1/outbox', query), { signal }),
  channels: (signal: AbortSignal) => call<{ channels: Channel[] }>('v1/channels', { signal }),
  retry_message: (id: number) => call<unknown>(`v1/outbox/${id}/retry`, post_json({})),
  retry_channel: (name: string) =>
    call<unknown>(`v1/channels/${encodeURIComponent(name)}/retry`, post_json({})),

  /** null: this engine is of before there were connectors */
  sources: (signal: AbortSignal) => or_null(call<{ sources: Source[] }>('v1/sources', { signal })),
  system: (signal: AbortSignal) => call<System>('v1/system', { signal }),
  /** in Prometheus' text format */
  metrics: (signal: AbortSignal) => ask('metrics', { signal }, kTimeoutMs, (response) => response.text()),
};

/** The browser's offset from UTC, as reports take it: `+08:00`. */
export function utc_offset(minutes_behind: number): string {
  const two = (v: number) => String(Math.floor(v)).padStart(2, '0');
  const size = Math.abs(minutes_behind);
  return `${minutes_behind > 0 ? '-' : '+'}${two(size / 60)}:${two(size % 60)}`;
}

/** The address of the report on a key (empty: on everything), a page of its own. */
export const report_url = (topic: string, lang: string, since = '24h') =>
  api_url(with_query('v1/report', { topic, since, lang, time_zone: utc_offset(new Date().getTimezoneOffset()) }));
