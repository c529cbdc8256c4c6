// SPDX-License-Identifier: Apache-2.0
// How the engine itself fares: stages, queues, files, memory.

import { useRef, useState } from 'preact/hooks';
import type { ComponentChildren } from 'preact';

import { api } from '../api/client';
import type { Source, System } from '../api/types';
import { When } from '../components/when';
import { Choice, Empty, Panel, QueryView } from '../components/states';
import { format_bytes, format_count, format_duration, format_ms, format_share } from '../format';
import type { MessageId } from '../i18n/messages';
import { kMessages } from '../i18n/messages';
import { bars_since, histogram_of, parse_metrics, trimmed, value_of, type HistogramBar, type Sample } from '../metrics_text';
import { use_words } from '../preferences';
import { use_query } from '../query';
import { go, route_hash, type Route } from '../router';

const kStages = ['decode', 'tokenize', 'queue', 'infer', 'store', 'count', 'total'] as const;

function Figure({ name, children, hint }: { name: string; children: ComponentChildren; hint?: string }) {
  return (
    <div class="figure">
      <dt>{name}</dt>
      <dd>{children}</dd>
      {hint && <dd class="hint">{hint}</dd>}
    </div>
  );
}

/** A name that this page has words for, else as it came. */
function use_name(prefix: string): (name: string) => string {
  const { lang, t } = use_words();
  return (name) => {
    const id = `${prefix}.${name}`;
    return id in kMessages[lang] ? t(id as MessageId) : name;
  };
}

function Gauge({ value, most, label }: { value: number; most: number; label: string }) {
  const share = most > 0 ? Math.min(1, value / most) : 0;
  const level = share >= 0.9 ? 'over' : share >= 0.7 ? 'near' : 'kept';
  return (
    <span
      class={`meter meter-wide is-${level}`}
      role="meter"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={most}
      aria-valuenow={Math.min(value, most)}
    >
      <i style={{ width: `${share * 100}%` }} />
    </span>
  );
}

function Stages({ system }: { system: System }) {
  const { lang, t } = use_words();
  const name = use_name('stage');
  const worst = Math.max(system.deadline_ms, ...system.stages.map((s) => s.latency_ms.p99));
  return (
    <Panel title={t('system.stages')} hint={t('system.stages.hint', { deadline: system.deadline_ms })}>
      <div class="scroll-x" role="group" aria-label={t('system.stages')} tabIndex={0}>
        <table class="grid">
          <thead>
            <tr>
              <th scope="col">{t('system.stage')}</th>
              <th scope="col" class="number">{t('system.posts')}</th>
              <th scope="col" class="number">P50</th>
              <th scope="col" class="number">P95</th>
              <th scope="col" class="number">P99</th>
              <th scope="col" class="number">{t('system.max')}</th>
              <th scope="col">{t('system.against')}</th>
            </tr>
          </thead>
          <tbody>
            {system.stages.map((s) => (
              <tr key={s.name} class={s.name === 'total' ? 'is-total' : undefined}>
                <th scope="row">{name(s.name)}</th>
                <td class="number">{format_count(lang, s.posts)}</td>
                <td class="number">{s.posts ? format_ms(lang, s.latency_ms.p50) : '–'}</td>
                <td class="number">{s.posts ? format_ms(lang, s.latency_ms.p95) : '–'}</td>
                <td class="number">
                  <b>{s.posts ? format_ms(lang, s.latency_ms.p99) : '–'}</b>
                </td>
                <td class="number">{s.posts ? format_ms(lang, s.latency_ms.max) : '–'}</td>
                <td>
                  <Gauge value={s.latency_ms.p99} most={s.name === 'total' ? system.deadline_ms : worst} label={`P99 ${name(s.name)}`} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Panel>
  );
}

const seconds_text = (lang: 'zh' | 'en', seconds: number) => {
  if (!Number.isFinite(seconds)) return '∞';
  const ms = seconds * 1000;
  return ms < 1 ? `${Math.round(ms * 1000)} µs` : `${format_ms(lang, ms)} ms`;
};

function LatencyBars({ bars, deadline_ms }: { bars: readonly HistogramBar[]; deadline_ms: number }) {
  const { lang, t } = use_words();
  const total = bars.reduce((sum, b) => sum + b.count, 0);
  const top = Math.max(1, ...bars.map((b) => b.count));
  if (total === 0) return <Empty text={t('system.histogram.empty')} />;
  return (
    <ol class="latency-bars">
      {bars.map((b) => (
        <li key={b.to} class={b.to * 1000 > deadline_ms ? 'is-over' : undefined}>
          <span class="latency-to">≤ {seconds_text(lang, b.to)}</span>
          <span class="latency-track">
            <i style={{ width: `${(b.count / top) * 100}%` }} />
          </span>
          <span class="latency-count">
            {format_count(lang, b.count)} <small>{format_share(b.count / total)}</small>
          </span>
        </li>
      ))}
    </ol>
  );
}

/** Since the page was opened, or since the engine was started. */
function Histograms({ samples, route, deadline_ms }: { samples: readonly Sample[]; route: Route; deadline_ms: number }) {
  const { t } = use_words();
  const name = use_name('stage');
  const stage = kStages.find((s) => s === route.params.get('stage')) ?? 'total';
  const [since, set_since] = useState<'start' | 'page'>('start');
  const first = useRef<readonly Sample[]>(samples);
  const bars = (from: readonly Sample[]) => histogram_of(from, 'tidewatch_stage_seconds', 'stage', stage);
  const shown = since === 'start' ? bars(samples) : bars_since(bars(samples), bars(first.current));
  return (
    <Panel
      title={t('system.histogram')}
      tools={
        <Choice
          label={t('system.since')}
          value={since}
          options={[['start', t('system.since.start')], ['page', t('system.since.page')]]}
          choose={set_since}
        />
      }
    >
      <Choice
        label={t('system.stage')}
        value={stage}
        options={kStages.map((s) => [s, name(s)] as const)}
        choose={(s) => go(route_hash('system', '', { stage: s === 'total' ? undefined : s }), true)}
      />
      <LatencyBars bars={trimmed(shown)} deadline_ms={deadline_ms} />
    </Panel>
  );
}

function Queues({ system }: { system: System }) {
  const { lang, t } = use_words();
  const name = use_name('queue');
  return (
    <Panel title={t('system.queues')}>
      <ul class="gauges">
        {system.queues.map((q) => (
          <li key={q.name}>
            <span>{name(q.name)}</span>
            <b>
              {format_count(lang, q.depth)}
              {q.max !== null && <small> / {format_count(lang, q.max)}</small>}
            </b>
            {q.max !== null && <Gauge value={q.depth} most={q.max} label={name(q.name)} />}
          </li>
        ))}
        <li>
          <span>{t('system.index_lag')}</span>
          <b>{format_count(lang, system.index.lag_posts)}</b>
          {system.index.behind && <span class="tag tag-warn">{t('system.behind')}</span>}
        </li>
        <li>
          <span>{t('system.keys')}</span>
          <b>
            {format_count(lang, system.counting.keys)}
            <small> / {format_count(lang, system.counting.keys_max)}</small>
          </b>
          <Gauge value={system.counting.keys} most={system.counting.keys_max} label={t('system.keys')} />
        </li>
      </ul>
      {system.index.error !== '' && <p class="problem">{system.index.error}</p>}
    </Panel>
  );
}

function Storage({ system }: { system: System }) {
  const { lang, t } = use_words();
  const { store } = system;
  return (
    <Panel title={t('system.store')}>
      <dl class="figure-grid">
        <Figure name={t('system.posts')}>{format_count(lang, store.posts)}</Figure>
        <Figure name={t('system.bytes')}>{format_bytes(lang, store.bytes)}</Figure>
        <Figure name={t('system.oldest')}>{store.oldest ? <When time={store.oldest} /> : '–'}</Figure>
        <Figure name={t('system.fsyncs')}>
          {format_count(lang, store.commits)} <small>/ {format_count(lang, store.fsyncs)}</small>
        </Figure>
      </dl>
      <ul class="gauges">
        <li>
          <span>{t('system.budget')}</span>
          <b>
            {format_bytes(lang, store.bytes_used)}
            <small> / {format_bytes(lang, store.bytes_max)}</small>
          </b>
          <Gauge value={store.bytes_used} most={store.bytes_max} label={t('system.budget')} />
        </li>
      </ul>
      {store.maintenance_error !== '' && <p class="problem">{store.maintenance_error}</p>}
    </Panel>
  );
}

function Engine({ system, samples }: { system: System; samples: readonly Sample[] }) {
  const { lang, t } = use_words();
  const { process, counting } = system;
  const number = (name: string) => value_of(samples, name);
  const cpu = (process['cpu_seconds'] ?? 0) / Math.max(1, system.uptime_seconds);
  const count = (v: number | null) => (v === null ? '–' : format_count(lang, v));
  return (
    <Panel title={t('system.engine')} hint={system.version}>
      <dl class="figure-grid">
        <Figure name={t('system.uptime')}>{format_duration(lang, system.uptime_seconds * 1000)}</Figure>
        <Figure name={t('system.memory')} hint={t('system.peak', { size: format_bytes(lang, process['memory_peak_bytes'] ?? 0) })}>
          {format_bytes(lang, process['memory_bytes'] ?? 0)}
        </Figure>
        <Figure name={t('system.cpu')}>
          {cpu.toFixed(2)} <small>{t('system.cores')}</small>
        </Figure>
        <Figure name={t('system.files')}>{count(process['open_files'] ?? null)}</Figure>
        <Figure name={t('system.late')}>{count(counting.late)}</Figure>
        <Figure name={t('system.clients')}>{count(number('tidewatch_live_clients'))}</Figure>
        <Figure name={t('system.connections')}>{count(number('tidewatch_http_connections'))}</Figure>
        <Figure name={t('system.shed')}>{count(number('tidewatch_shed_total'))}</Figure>
      </dl>
    </Panel>
  );
}

function SourceRow({ source }: { source: Source }) {
  const { lang } = use_words();
  const count = (v: number) => format_count(lang, v);
  const bad = source.state === 'waiting' || source.state === 'stopped';
  const state = use_name('source')(source.state);
  return (
    <tr data-source={source.name}>
      <th scope="row">
        {source.name} <span class="tag">{source.type}</span>
      </th>
      <td>
        <span class={bad ? 'tag tag-bad' : source.state === 'running' ? 'tag tag-on' : 'tag'}>{state}</span>
        {source.next_attempt_at && (
          <span class="hint">
            {' '}
            <When time={source.next_attempt_at} />
          </span>
        )}
        {source.last_error !== '' && <span class="problem"> {source.last_error}</span>}
      </td>
      <td class="number">{count(source.stored)}</td>
      <td class="number">{count(source.rejected)}</td>
      <td class="number">{source.lag === null ? '–' : `${count(source.lag)}${source.lag_unit === 'seconds' ? ' s' : ''}`}</td>
      <td class="number">{source.last_message_at ? <When time={source.last_message_at} /> : '–'}</td>
    </tr>
  );
}

function Sources({ sources }: { sources: readonly Source[] }) {
  const { t } = use_words();
  return (
    <Panel title={t('system.sources')}>
      <div class="scroll-x" role="group" aria-label={t('system.sources')} tabIndex={0}>
        <table class="grid">
          <thead>
            <tr>
              <th scope="col">{t('system.source')}</th>
              <th scope="col">{t('delivery.note')}</th>
              <th scope="col" class="number">{t('system.posts')}</th>
              <th scope="col" class="number">{t('system.rejected')}</th>
              <th scope="col" class="number">{t('system.lag')}</th>
              <th scope="col" class="number">{t('system.last')}</th>
            </tr>
          </thead>
          <tbody>
            {sources.map((s) => (
              <SourceRow key={s.name} source={s} />
            ))}
          </tbody>
        </table>
      </div>
    </Panel>
  );
}

export function SystemView({ route }: { route: Route }) {
  const { t } = use_words();
  const system = use_query('system', (signal) => api.system(signal), 3000);
  const sources = use_query('sources', (signal) => api.sources(signal), 10_000);
  const metrics = use_query('metrics', async (signal) => parse_metrics(await api.metrics(signal)), 5000);
  return (
    <main id="content" class="halves" tabIndex={-1}>
      <div class="view-head">
        <h1>{t('nav.system')}</h1>
        <a class="quiet-link" href="./metrics" target="_blank" rel="noopener">
          {t('system.metrics')}
        </a>
        <a class="quiet-link" href="./openapi.json" target="_blank" rel="noopener">
          {t('system.openapi')}
        </a>
      </div>
      <QueryView query={system}>
        {(data) => (
          <>
            <div class="column">
              <Stages system={data} />
              {(sources.data?.sources ?? []).length > 0 && <Sources sources={sources.data?.sources ?? []} />}
              <QueryView query={metrics}>
                {(samples) => <Histograms samples={samples} route={route} deadline_ms={data.deadline_ms} />}
              </QueryView>
            </div>
            <div class="column">
              <Engine system={data} samples={metrics.data ?? []} />
              <Queues system={data} />
              <Storage system={data} />
            </div>
          </>
        )}
      </QueryView>
    </main>
  );
}
