// SPDX-License-Identifier: Apache-2.0
// What belongs to a key: its posts, as a search, and the alerts that concern it. Pure.

import type { PostQuery } from './api/client';
import type { Bucket, Post } from './api/types';
import { parse_key } from './router';
import { kNegative } from './series';

/** The posts that a key counts, as far as the search can name them; `rule_query` of a rule's. */
export function posts_of_key(key: string, rule_query = ''): PostQuery {
  const parts = parse_key(key);
  if (parts.kind === 'rule') return { q: rule_query || quoted(parts.term) };
  if (parts.kind === 'hashtag') return { q: `#${parts.term}#` };
  if (parts.kind === 'copy') return { q: quoted(opening(parts.term)) };
  if (parts.kind !== 'topic') return { q: quoted(parts.term) };
  return {
    ...(parts.topic === '*' ? {} : { topic: parts.topic }),
    ...(parts.region === '*' ? {} : { region: parts.region }),
  };
}

/** Of a copied text, what its copies share: they differ in numbers, and the key ends anywhere. */
function opening(text: string): string {
  const [words = ''] = text.split(/[0-9a-z]/iu);
  return words.trim().length >= 4 ? words.trim() : text;
}

/** As one phrase: a copied text may hold what the query language takes for operators. */
const quoted = (text: string) => `"${text.replace(/["“”]/g, ' ').trim()}"`;

/** Whether the engine keeps a curve of the key; copied texts and emergent terms are found only. */
export function is_counted(key: string): boolean {
  const { kind } = parse_key(key);
  return kind !== 'copy' && kind !== 'emergent';
}

/** Whether the engine can report on the key: on what it counts, rules apart. */
export const has_report = (key: string) => is_counted(key) && parse_key(key).kind !== 'rule';

/** Whether an alert on one key concerns the reader of another: `finance@广东` that of `finance@*`. */
export function is_about(alert_key: string, key: string): boolean {
  if (alert_key === key) return true;
  const of_alert = parse_key(alert_key);
  const of_view = parse_key(key);
  if (of_alert.kind !== 'topic' || of_view.kind !== 'topic') return false;
  const within = (part: string, whole: string) => whole === '*' || part === whole;
  return within(of_alert.topic, of_view.topic) && within(of_alert.region, of_view.region);
}

/** Posts and negative posts in `count` equal parts of the time from `from` to `until` (Unix
 * seconds), for a key that the engine keeps no curve of. */
export function buckets_of(posts: readonly Post[], from: number, until: number, count: number): { buckets: Bucket[]; seconds: number } {
  const seconds = Math.max(1, Math.ceil((until - from) / count));
  const buckets: Bucket[] = Array.from({ length: count }, (_, i) => ({
    time: new Date((from + i * seconds) * 1000).toISOString(),
    posts: 0,
    negative: 0,
  }));
  for (const post of posts) {
    const bucket = buckets[Math.floor((Date.parse(post.time) / 1000 - from) / seconds)];
    if (!bucket) continue;
    bucket.posts += 1;
    if (is_negative(post)) bucket.negative = (bucket.negative ?? 0) + 1;
  }
  return { buckets, seconds };
}

const kNegativeEmotions: ReadonlySet<string> = new Set(kNegative);
export const is_negative = (post: Post) => kNegativeEmotions.has(post.emotion.label);
