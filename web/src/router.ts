// SPDX-License-Identifier: Apache-2.0
// Every view has an address: what stands after the `#`.

import { useEffect, useState } from 'preact/hooks';

export type View =
  | 'now'
  | 'topic'
  | 'search'
  | 'alerts'
  | 'alert'
  | 'rules'
  | 'rule'
  | 'models'
  | 'system'
  | 'missing';

export interface Route {
  view: View;
  /** topic: the key; alert: its id; rule: its name, `+` for a new one */
  id: string;
  params: ReadonlyMap<string, string>;
}

/** Reads `#/`, `#/topic/KEY`, `#/alerts`, `#/alerts/ID`, `#/search`, `#/rules`, `#/rules/NAME`,
 * `#/models`, `#/system`, each with `?name=value`.
 * A key may be percent-encoded or bare, a hashtag's own `#` included. */
export function parse_route(hash: string): Route {
  const text = hash.startsWith('#') ? hash.slice(1) : hash;
  const mark = text.indexOf('?');
  const path = mark < 0 ? text : text.slice(0, mark);
  const params = new Map(new URLSearchParams(mark < 0 ? '' : text.slice(mark + 1)));
  const [head = '', ...rest] = path.replace(/^\/+/, '').split('/');
  const id = decode(rest.join('/'));
  if (head === '' && id === '') return { view: 'now', id: '', params };
  if (head === 'topic' && id !== '') return { view: 'topic', id, params };
  if (head === 'alerts') return { view: id === '' ? 'alerts' : 'alert', id, params };
  if (head === 'rules') return { view: id === '' ? 'rules' : 'rule', id, params };
  if (id === '' && (head === 'search' || head === 'models' || head === 'system')) {
    return { view: head, id: '', params };
  }
  return { view: 'missing', id: path, params };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a bare key with a stray percent sign
  }
}

export type RouteParams = Record<string, string | number | undefined>;

/** Writes the address that parse_route reads. */
export function route_hash(view: View, id = '', params: RouteParams = {}): string {
  const heads: Record<View, string> = {
    now: '#/',
    topic: `#/topic/${encode_key(id)}`,
    alerts: '#/alerts',
    alert: `#/alerts/${encodeURIComponent(id)}`,
    search: '#/search',
    rules: '#/rules',
    rule: `#/rules/${encodeURIComponent(id)}`,
    models: '#/models',
    system: '#/system',
    missing: '#/',
  };
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value !== undefined && value !== '') query.set(name, String(value));
  }
  const text = query.toString();
  return text === '' ? heads[view] : `${heads[view]}?${text}`;
}

/** As encodeURIComponent, but leaves `@` and `:` readable, which a fragment allows. */
const encode_key = (key: string) =>
  encodeURIComponent(key).replace(/%40/g, '@').replace(/%3A/gi, ':');

export function use_route(): Route {
  const [route, set_route] = useState(() => parse_route(location.hash));
  useEffect(() => {
    const update = () => set_route(parse_route(location.hash));
    window.addEventListener('hashchange', update);
    return () => window.removeEventListener('hashchange', update);
  }, []);
  return route;
}

/** Goes to an address; `replace` leaves no step for the back button. */
export function go(hash: string, replace = false): void {
  if (hash === location.hash) return;
  if (!replace) {
    location.hash = hash;
    return;
  }
  history.replaceState(null, '', hash);
  window.dispatchEvent(new HashChangeEvent('hashchange'));
}

/** What a key of docs/api.md names. */
export type KeyParts =
  | { kind: 'topic'; topic: string; region: string }
  | { kind: 'hashtag'; term: string }
  | { kind: 'keyword' | 'rule' | 'copy' | 'emergent'; term: string };

export function parse_key(key: string): KeyParts {
  if (key.length > 2 && key.startsWith('#') && key.endsWith('#')) {
    return { kind: 'hashtag', term: key.slice(1, -1) };
  }
  if (key.startsWith('kw:')) return { kind: 'keyword', term: key.slice(3) };
  if (key.startsWith('rule:')) return { kind: 'rule', term: key.slice(5) };
  if (key.startsWith('emergent:')) return { kind: 'emergent', term: key.slice(9) };
  // Eight digits tell equal beginnings apart; people need only the text.
  const copied = /^copy:(?:[0-9a-f]{8} )?(.*)$/su.exec(key);
  if (copied) return { kind: 'copy', term: copied[1] ?? '' };
  const at = key.indexOf('@');
  if (at < 0) return { kind: 'topic', topic: key, region: '*' };
  return { kind: 'topic', topic: key.slice(0, at) || '*', region: key.slice(at + 1) || '*' };
}
