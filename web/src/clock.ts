// SPDX-License-Identifier: Apache-2.0
import { useEffect, useState } from 'preact/hooks';

import { live } from './live/connection';
import type { LiveState } from './live/state';
import { useStore } from './store';

const skew_of = (s: LiveState) => s.skew_ms;

/** The engine's time in milliseconds, renewed every `every_ms`: ages on the page stay true. */
export function use_now(every_ms: number): number {
  const skew = useStore(live, skew_of);
  const [now, set_now] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => set_now(Date.now()), every_ms);
    return () => clearInterval(timer);
  }, [every_ms]);
  // A skew under two seconds is the network's, not the clock's.
  return Math.abs(skew) < 2000 ? now : now + skew;
}
