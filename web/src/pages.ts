// SPDX-License-Identifier: Apache-2.0
import { useEffect, useState } from 'preact/hooks';

import { use_query } from './query';

export interface Pages<T> {
  items: readonly T[];
  /** the first page's state */
  loading: boolean;
  error: Error | null;
  reload: () => void;
  /** loads the next page; absent at the end */
  more: (() => void) | null;
  loading_more: boolean;
  more_error: Error | null;
}

interface Page<T, C> {
  items: readonly T[];
  next: C | null;
}

/** A list that is read page by page: the first at once, the others as asked for. */
export function use_pages<T, C>(
  key: string,
  load: (before: C | undefined, signal: AbortSignal) => Promise<Page<T, C>>,
): Pages<T> {
  const first = use_query(key, (signal) => load(undefined, signal));
  const [rest, set_rest] = useState<Page<T, C> | null>(null);
  const [busy, set_busy] = useState<AbortController | null>(null);
  const [problem, set_problem] = useState<Error | null>(null);

  useEffect(() => {
    set_rest(null);
    set_problem(null);
    set_busy((old) => {
      old?.abort();
      return null;
    });
  }, [key, first.data]);
  useEffect(() => () => busy?.abort(), [busy]);

  const next = (rest ?? first.data)?.next ?? null;
  const more = async () => {
    if (next === null || busy) return;
    const stop = new AbortController();
    set_busy(stop);
    set_problem(null);
    try {
      const page = await load(next, stop.signal);
      if (stop.signal.aborted) return;
      set_rest((old) => ({ items: [...(old?.items ?? []), ...page.items], next: page.next }));
    } catch (error) {
      if (stop.signal.aborted) return;
      set_problem(error instanceof Error ? error : new Error(String(error)));
    }
    set_busy(null);
  };

  return {
    items: [...(first.data?.items ?? []), ...(rest?.items ?? [])],
    loading: first.loading,
    error: first.data === null ? first.error : null,
    reload: first.reload,
    more: next === null ? null : () => void more(),
    loading_more: busy !== null,
    more_error: problem,
  };
}
