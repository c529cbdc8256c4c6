// SPDX-License-Identifier: Apache-2.0
// Keys that do things without a pointer. One listener; views add theirs while they are shown.

import { useEffect } from 'preact/hooks';

import type { MessageId } from './i18n/messages';

export interface Shortcut {
  keys: readonly string[];
  what: MessageId;
}

/** What the `?` sheet lists, by heading. */
export const kShortcuts: readonly (readonly [MessageId, readonly Shortcut[]])[] = [
  [
    'keys.go',
    [
      { keys: ['g', 'n'], what: 'nav.now' },
      { keys: ['g', 's'], what: 'nav.search' },
      { keys: ['g', 'a'], what: 'nav.alerts' },
      { keys: ['g', 'r'], what: 'nav.rules' },
      { keys: ['g', 'm'], what: 'nav.models' },
      { keys: ['g', 'y'], what: 'nav.system' },
      { keys: ['/'], what: 'keys.search' },
    ],
  ],
  [
    'keys.list',
    [
      { keys: ['j'], what: 'keys.next' },
      { keys: ['k'], what: 'keys.previous' },
      { keys: ['Enter'], what: 'keys.open' },
      { keys: ['a'], what: 'alert.ack' },
      { keys: ['e'], what: 'alert.escalate' },
      { keys: ['m'], what: 'alert.mute' },
      { keys: ['r'], what: 'alert.resolve' },
      { keys: ['o'], what: 'alert.reopen' },
    ],
  ],
  [
    'keys.page',
    [
      { keys: ['l'], what: 'keys.language' },
      { keys: ['t'], what: 'keys.theme' },
      { keys: ['.'], what: 'keys.times' },
      { keys: [','], what: 'settings.title' },
      { keys: ['?'], what: 'keys.sheet' },
      { keys: ['Esc'], what: 'keys.close' },
    ],
  ],
];

export type Bindings = Readonly<Record<string, () => void>>;

const layers: Bindings[] = [];
const kSequenceMs = 1200;

/** Keys typed into a field, with a modifier, or under a window are not ours. */
function is_ours(event: KeyboardEvent): boolean {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return false;
  if (document.querySelector('dialog[open]')) return false;
  const target = event.target;
  if (!(target instanceof HTMLElement)) return true;
  return !target.isContentEditable && !/^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
}

/** Call once. Sequences of two are bound as `g n`. */
export function listen_to_keys(): void {
  let first = '';
  let first_at = 0;
  document.addEventListener('keydown', (event) => {
    if (!is_ours(event)) return;
    const now = event.timeStamp;
    const sequence = first !== '' && now - first_at < kSequenceMs ? `${first} ${event.key}` : '';
    first = event.key.length === 1 ? event.key : '';
    first_at = now;
    for (const wanted of [sequence, event.key]) {
      const found = wanted === '' ? undefined : layers.findLast((l) => l[wanted])?.[wanted];
      if (!found) continue;
      event.preventDefault();
      first = '';
      found();
      return;
    }
  });
}

/** Binds keys while the component is shown; a later one goes before an earlier. */
export function use_keys(bindings: Bindings): void {
  useEffect(() => {
    layers.push(bindings);
    return () => {
      const at = layers.lastIndexOf(bindings);
      if (at >= 0) layers.splice(at, 1);
    };
  });
}
