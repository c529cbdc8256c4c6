// SPDX-License-Identifier: Apache-2.0
// What a panel shows around its content: its frame, and loading, empty and failed states.

import type { ComponentChildren } from 'preact';
import { useId } from 'preact/hooks';

import { ApiError } from '../api/client';
import { use_words, type Words } from '../preferences';
import type { QueryState } from '../query';

interface PanelProps {
  title: string;
  hint?: string | undefined;
  tools?: ComponentChildren;
  children: ComponentChildren;
  class?: string;
}

export function Panel({ title, hint, tools, children, class: name }: PanelProps) {
  const id = useId();
  return (
    <section class={name ? `panel ${name}` : 'panel'} aria-labelledby={id}>
      <header class="panel-head">
        <h2 id={id}>{title}</h2>
        {hint && <span class="hint">{hint}</span>}
        {tools && <div class="panel-tools">{tools}</div>}
      </header>
      {children}
    </section>
  );
}

export function error_text(t: Words['t'], error: Error): string {
  if (!(error instanceof ApiError)) return t('state.error');
  if (error.status === 0) return t('state.error_reach');
  return error.detail !== '' ? error.detail : t('state.error_status', { status: error.status });
}

export function Empty({ text, hint }: { text: string; hint?: string }) {
  return (
    <div class="empty">
      <p>{text}</p>
      {hint && <p class="hint">{hint}</p>}
    </div>
  );
}

export function Failed({ error, retry }: { error: Error; retry: () => void }) {
  const { t } = use_words();
  return (
    <div class="failed" role="alert">
      <p>
        <b>{t('state.error')}</b> {error_text(t, error)}
      </p>
      <button type="button" class="button" onClick={retry}>
        {t('state.retry')}
      </button>
    </div>
  );
}

export function Loading() {
  const { t } = use_words();
  return (
    <div class="loading" role="status">
      <span class="visually-hidden">{t('state.loading')}</span>
      <i />
      <i />
      <i />
    </div>
  );
}

interface QueryViewProps<T> {
  query: QueryState<T>;
  children: (data: T) => ComponentChildren;
}

/** Shows the data of a query, or why there is none. Old data stays when a refresh fails. */
export function QueryView<T>({ query, children }: QueryViewProps<T>) {
  const { t } = use_words();
  if (query.data === null) {
    return query.error ? <Failed error={query.error} retry={query.reload} /> : <Loading />;
  }
  return (
    <>
      {query.error && <p class="stale">{t('state.stale')}</p>}
      {children(query.data)}
    </>
  );
}

interface ChoiceProps<T extends string> {
  label: string;
  value: T;
  options: readonly (readonly [T, string])[];
  choose: (value: T) => void;
}

/** A few choices side by side; one is taken. */
export function Choice<T extends string>({ label, value, options, choose }: ChoiceProps<T>) {
  return (
    <div class="choice" role="group" aria-label={label}>
      {options.map(([option, text]) => (
        <button
          key={option}
          type="button"
          aria-pressed={option === value}
          onClick={() => choose(option)}
        >
          {text}
        </button>
      ))}
    </div>
  );
}
