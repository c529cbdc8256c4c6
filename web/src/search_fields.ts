// SPDX-License-Identifier: Apache-2.0
// What a search asks for, as it stands in the address. Pure.

import type { PostQuery } from './api/client';
import type { Post } from './api/types';
import type { Route } from './router';

export const kFields = ['q', 'topic', 'region', 'emotion', 'author', 'source', 'since', 'until'] as const;
export type Field = (typeof kFields)[number];
export type Fields = Record<Field, string>;

export function fields_of(route: Route): Fields {
  return Object.fromEntries(kFields.map((f) => [f, route.params.get(f) ?? ''])) as Fields;
}

export function query_of(fields: Fields): PostQuery {
  const wanted = kFields.filter((f) => fields[f] !== '').map((f) => [f, fields[f]]);
  return Object.fromEntries(wanted) as PostQuery;
}

/** The same search with one field changed; asking for what is there already takes it away. */
export function toggled(fields: Fields, field: Field, value: string): Fields {
  return { ...fields, [field]: fields[field] === value ? '' : value };
}

/** A rule's query that holds for the posts of a search, its times apart. */
export function rule_of(search: PostQuery): string {
  const q = search.q ?? '';
  const narrowing = (['topic', 'region', 'emotion', 'source', 'author'] as const).flatMap((field) => {
    const value = search[field] ?? '';
    return value === '' ? [] : [`${field}:${/^[\p{L}\p{N}_]+$/u.test(value) ? value : `"${value.replace(/"/g, ' ')}"`}`];
  });
  // OR binds less than what stands side by side.
  const words = narrowing.length > 0 && /\sOR\s/.test(q) ? `(${q})` : q;
  return [words, ...narrowing].filter((part) => part !== '').join(' ');
}

/** The words of a Boolean query that a text may hold, for marking: no operators, fields, negated
 * parts. The engine says exactly what matched in `highlights`; this is for posts without them. */
export function marked_words(query: string): string[] {
  const words: string[] = [];
  const token = /(-|NOT\s+)?(?:(\w+):)?(?:"([^"]*)"|\/(?:[^/\\]|\\.)*\/|([^\s()"]+))/gu;
  for (const [, negative, field, phrase, word] of query.matchAll(token)) {
    const text = phrase ?? word ?? '';
    const operator = phrase === undefined && /^(AND|OR|NOT|NEAR(\/\d+)?)$/.test(text);
    if (negative || field || operator || text === '') continue;
    words.push(...text.split(/[\s"']+/).filter((w) => w !== ''));
  }
  return words;
}

/** Posts that were not there yet in front of those that were, newest first, at most `most`. */
export function add_newest(
  known: readonly Post[],
  fresh: readonly Post[],
  most: number,
): readonly Post[] {
  const ids = new Set(known.map((p) => p.id));
  const added = fresh.filter((p) => !ids.has(p.id));
  return added.length === 0 ? known : [...added, ...known].slice(0, most);
}

/** `2026-11-25T20:05` in the browser's time, as <input type="datetime-local"> has it; empty for a
 * time that is relative or none. */
export function local_input(time: string): string {
  const ms = Date.parse(time);
  if (!/\d{4}-/.test(time) || Number.isNaN(ms)) return '';
  const local = new Date(ms - new Date(ms).getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 16);
}

export function from_local_input(value: string): string {
  const ms = Date.parse(value);
  return value === '' || Number.isNaN(ms) ? '' : utc_second(ms);
}

export const utc_second = (ms: number) => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
