// SPDX-License-Identifier: Apache-2.0
import { useEffect, useState } from 'preact/hooks';

/** One value that components watch. Listeners run synchronously, in order of subscription. */
export class Store<S> {
  private readonly listeners_ = new Set<() => void>();

  constructor(private value_: S) {}

  get(): S {
    return this.value_;
  }

  set(value: S): void {
    if (Object.is(value, this.value_)) return;
    this.value_ = value;
    for (const listener of [...this.listeners_]) listener();
  }

  /** Returns what ends the subscription. */
  subscribe(listener: () => void): () => void {
    this.listeners_.add(listener);
    return () => this.listeners_.delete(listener);
  }
}

/** Renders again when what `select` picks has changed. `select` must be a stable function. */
export function useStore<S, T>(store: Store<S>, select: (state: S) => T): T {
  const [picked, set_picked] = useState<T>(() => select(store.get()));
  useEffect(() => {
    const update = () => set_picked(() => select(store.get()));
    update(); // it may have changed between render and effect
    return store.subscribe(update);
  }, [store, select]);
  return picked;
}
