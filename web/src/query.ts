// SPDX-License-Identifier: Apache-2.0
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';

export interface QueryState<T> {
  data: T | null;
  error: Error | null;
  loading: boolean;
  reload: () => void;
}

/** Loads when `key` changes and again every `refresh_ms` while the page is visible. The last
 * answer for this key stays while the next is on its way or has failed; a new key starts empty. */
export function use_query<T>(
  key: string,
  load: (signal: AbortSignal) => Promise<T>,
  refresh_ms = 0,
): QueryState<T> {
  const [state, set_state] = useState<{ key: string; data: T | null; error: Error | null }>({
    key,
    data: null,
    error: null,
  });
  const [turn, set_turn] = useState(0);
  const load_now = useRef(load);
  load_now.current = load;

  useEffect(() => {
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const run = async () => {
      try {
        const data = await load_now.current(stop.signal);
        if (stop.signal.aborted) return;
        set_state({ key, data, error: null });
      } catch (error) {
        if (stop.signal.aborted) return;
        const problem = error instanceof Error ? error : new Error(String(error));
        set_state((old) => ({ key, data: old.key === key ? old.data : null, error: problem }));
      }
      if (refresh_ms > 0) timer = setTimeout(again, refresh_ms);
    };
    const again = () => {
      if (document.hidden) {
        document.addEventListener('visibilitychange', () => void run(), {
          once: true,
          signal: stop.signal,
        });
      } else {
        void run();
      }
    };
    void run();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [key, refresh_ms, turn]);

  const reload = useCallback(() => set_turn((n) => n + 1), []);
  const current = state.key === key ? state : { data: null, error: null };
  return {
    data: current.data,
    error: current.error,
    loading: current.data === null && current.error === null,
    reload,
  };
}
