// SPDX-License-Identifier: Apache-2.0
// A field for a Boolean query. The engine is asked about it while it is written, and what is wrong
// is shown under the character where it is wrong.

import { useEffect, useState } from 'preact/hooks';

import { api } from '../api/client';
import type { QueryVerdict } from '../api/types';
import { use_words } from '../preferences';

const kPauseMs = 220;

/** What the engine thinks of a query; null: not asked yet, or it cannot be asked. */
export function use_verdict(query: string): QueryVerdict | null {
  const [verdict, set_verdict] = useState<{ query: string; verdict: QueryVerdict | null }>({ query: '', verdict: null });
  useEffect(() => {
    if (query.trim() === '') {
      set_verdict({ query, verdict: null });
      return undefined;
    }
    const stop = new AbortController();
    const timer = setTimeout(() => {
      api
        .validate(query, stop.signal)
        .then((v) => set_verdict({ query, verdict: v }))
        .catch(() => undefined); // the search itself will say what is wrong
    }, kPauseMs);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [query]);
  return verdict.query === query ? verdict.verdict : null;
}

interface QueryProblemProps {
  id: string;
  query: string;
  verdict: QueryVerdict | null;
}

/** The query once more with a mark under the column, then the reason and the remedy. */
export function QueryProblem({ id, query, verdict }: QueryProblemProps) {
  const { t } = use_words();
  if (!verdict || verdict.valid) return null;
  const column = verdict.column ?? 1;
  const characters = [...query];
  const before = characters.slice(Math.max(0, column - 25), column - 1).join('');
  const at = characters[column - 1] ?? ' ';
  const after = characters.slice(column, column + 24).join('');
  return (
    <div class="query-problem" id={id} role="alert">
      <p class="query-echo" aria-hidden="true">
        {column > 25 && '…'}
        {before}
        <span class="query-at">{at}</span>
        {after}
        {characters.length > column + 24 && '…'}
      </p>
      <p>
        <b>{t('query.column', { column })}</b> {verdict.reason}
        {verdict.remedy && <span class="query-remedy"> {verdict.remedy}</span>}
      </p>
    </div>
  );
}

const kExamples = ['退款 OR 退钱', '"不给 退款"', '退款 -广告', '(航班 OR 高铁) NEAR/5 取消', '退款 region:广东', 'emotion:negative topic:finance'];

/** The language in one glance; an example is put into the field. */
export function QueryHelp({ use }: { use: (query: string) => void }) {
  const { t } = use_words();
  return (
    <details class="query-help">
      <summary>{t('query.help')}</summary>
      <p>{t('query.help.text')}</p>
      <ul>
        {kExamples.map((example) => (
          <li key={example}>
            <button type="button" class="chip-button" onClick={() => use(example)}>
              <code>{example}</code>
            </button>
          </li>
        ))}
      </ul>
    </details>
  );
}
