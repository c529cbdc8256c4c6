// SPDX-License-Identifier: Apache-2.0
// What belongs to a key: its posts, as a search, and the alerts that concern it. Pure.

import type { PostQuery } from './api/client';
import { parse_key } from './router';

/** The posts that a key counts, as far as the search can name them; `rule_query` of a rule's. */
export function posts_of_key(key: string, rule_query = ''): PostQuery {
  const parts = parse_key(key);
  if (parts.kind === 'rule') return { q: rule_query || quoted(parts.term) };
  if (parts.kind === 'hashtag') return { q: `#${parts.term}#` };
  if (parts.kind !== 'topic') return { q: quoted(parts.term) };
  return {
    ...(parts.topic === '*' ? {} : { topic: parts.topic }),
    ...(parts.region === '*' ? {} : { region: parts.region }),
  };
}

/** As one phrase: a copied text may hold what the query language takes for operators. */
const quoted = (text: string) => `"${text.replace(/["“”]/g, ' ').trim()}"`;

/** Whether an alert on one key concerns the reader of another: `finance@广东` that of `finance@*`. */
export function is_about(alert_key: string, key: string): boolean {
  if (alert_key === key) return true;
  const of_alert = parse_key(alert_key);
  const of_view = parse_key(key);
  if (of_alert.kind !== 'topic' || of_view.kind !== 'topic') return false;
  const within = (part: string, whole: string) => whole === '*' || part === whole;
  return within(of_alert.topic, of_view.topic) && within(of_alert.region, of_view.region);
}
