// SPDX-License-Identifier: Apache-2.0
// How often a rule would have fired: the engine replays what it stores.

import { useEffect, useState } from 'preact/hooks';

import { api, ApiError } from '../api/client';
import type { PreviewAlert, RulePreview } from '../api/types';
import { Histogram } from '../charts/histogram';
import { use_now } from '../clock';
import { format_count, format_duration, format_ms, format_rate, format_time } from '../format';
import { kind_name } from '../i18n/names';
import { use_words } from '../preferences';
import { PostItem } from './post_item';
import { Choice, Empty, Failed, Loading, Panel } from './states';

const kSpans = ['1h', '24h', '7d'] as const;
type Span = (typeof kSpans)[number];
const kPauseMs = 700;

interface PreviewState {
  key: string;
  data: RulePreview | null;
  error: Error | null;
}

/** Asked once the query has stood still for a moment; a newer question cancels the older. */
function use_preview(query: string, span: Span, valid: boolean, turn: number): PreviewState & { busy: boolean } {
  const key = `${span} ${query}`;
  const [state, set_state] = useState<PreviewState>({ key: '', data: null, error: null });
  const [busy, set_busy] = useState(false);
  useEffect(() => {
    if (!valid) return undefined;
    const stop = new AbortController();
    const ask = async () => {
      set_busy(true);
      for (;;) {
        try {
          set_state({ key, data: await api.preview(query, span, stop.signal), error: null });
        } catch (error) {
          if (stop.signal.aborted) return;
          if (error instanceof ApiError && error.status === 429) {
            await new Promise((resolve) => setTimeout(resolve, 1000)); // another one runs
            if (stop.signal.aborted) return;
            continue;
          }
          set_state({ key, data: null, error: error instanceof Error ? error : new Error(String(error)) });
        }
        break;
      }
      set_busy(false);
    };
    const timer = setTimeout(() => void ask(), kPauseMs);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [key, valid, turn]);
  return { ...state, busy: busy || (valid && state.key !== key) };
}

function AlertLine({ alert }: { alert: PreviewAlert }) {
  const { lang, t } = use_words();
  const now = use_now(60_000);
  const lasted = alert.closed_at ? Date.parse(alert.closed_at) - Date.parse(alert.opened_at) : null;
  return (
    <li>
      <b>{format_time(lang, alert.opened_at, now)}</b>
      <span>{alert.kind ? kind_name(lang, alert.kind) : ''}</span>
      <span>{t(alert.posts === 1 ? 'count.posts.one' : 'count.posts', { count: format_count(lang, alert.posts) })}</span>
      <span>{t('alert.score', { score: format_rate(lang, alert.score) })}</span>
      <span>{lasted === null ? t('preview.goes_on') : t('alert.lasted', { duration: format_duration(lang, lasted) })}</span>
    </li>
  );
}

function Outcome({ preview, query }: { preview: RulePreview; query: string }) {
  const { lang, t } = use_words();
  const now = use_now(60_000);
  const step =
    preview.bucket_seconds ??
    (Date.parse(preview.histogram[1]?.time ?? '') - Date.parse(preview.histogram[0]?.time ?? '')) / 1000;
  const fired = preview.alerts.length;
  const verdict = fired === 0 ? 'none' : fired === 1 ? 'once' : 'often';
  return (
    <>
      <p class={`preview-verdict is-${verdict}`}>
        <b>{t(`preview.fired.${verdict}`, { count: fired })}</b>{' '}
        {t(preview.matches === 1 ? 'preview.matches.one' : 'preview.matches', { count: format_count(lang, preview.matches) })}
        {preview.posts !== undefined && ` ${t('preview.of', { count: format_count(lang, preview.posts) })}`}
        {preview.took_ms !== undefined && <span class="hint"> {t('search.took', { ms: format_ms(lang, preview.took_ms) })}</span>}
      </p>
      {!preview.exact && (
        <p class="stale">
          {preview.since
            ? t('preview.part', { since: format_time(lang, preview.since, now), until: format_time(lang, preview.until ?? '', now) })
            : t('preview.estimated')}
        </p>
      )}
      {preview.histogram.length > 1 && (
        <Histogram
          buckets={preview.histogram}
          bucket_seconds={step}
          summary={t('preview.summary', { count: format_count(lang, preview.matches), fired })}
          marks={preview.alerts.map((a) => ({
            from_ms: Date.parse(a.onset_at ?? a.opened_at),
            to_ms: Date.parse(a.closed_at ?? preview.until ?? a.opened_at),
            label: a.opened_at,
          }))}
          height={110}
        />
      )}
      {fired > 0 && (
        <ul class="preview-alerts">
          {preview.alerts.slice(-20).map((a) => (
            <AlertLine key={a.opened_at} alert={a} />
          ))}
        </ul>
      )}
      {preview.examples.length > 0 && (
        <>
          <h3>{t('preview.examples')}</h3>
          <ul class="posts">
            {preview.examples.map((post) => (
              <PostItem key={post.id} post={post} query={query} />
            ))}
          </ul>
        </>
      )}
    </>
  );
}

export function RulePreviewPanel({ query, valid }: { query: string; valid: boolean }) {
  const { t } = use_words();
  const [span, set_span] = useState<Span>('24h');
  const [turn, set_turn] = useState(0);
  const preview = use_preview(query, span, valid, turn);
  return (
    <Panel
      title={t('preview.title')}
      class="panel-preview"
      tools={
        <Choice
          label={t('range.label')}
          value={span}
          options={kSpans.map((s) => [s, t(`preview.${s}`)] as const)}
          choose={set_span}
        />
      }
    >
      {!valid && <Empty text={t('preview.wait')} hint={t('preview.hint')} />}
      {valid && preview.busy && <Loading />}
      {valid && !preview.busy && preview.error && <Failed error={preview.error} retry={() => set_turn(turn + 1)} />}
      {valid && !preview.busy && preview.data && <Outcome preview={preview.data} query={query} />}
    </Panel>
  );
}
