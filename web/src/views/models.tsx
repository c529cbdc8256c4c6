// SPDX-License-Identifier: Apache-2.0
// What classifies, how well, and what could take its place.

import { useState } from 'preact/hooks';
import type { ComponentChildren } from 'preact';

import { api, ApiError } from '../api/client';
import type { Canary, CanarySide, Cascade, Model, PublishedFigure, RepositoryEntry, SwapAnswer, SwapFigures } from '../api/types';
import { Confirm } from '../components/dialog';
import { Empty, Panel, QueryView } from '../components/states';
import { format_bytes, format_count, format_ms, format_share } from '../format';
import type { MessageId } from '../i18n/messages';
import { use_words } from '../preferences';
import { use_query } from '../query';

const accuracy = (share: number | null | undefined) =>
  share === null || share === undefined ? '–' : `${(share * 100).toFixed(1)}%`;

interface RowProps {
  name: string;
  live: ComponentChildren;
  candidate: ComponentChildren;
}

const Row = ({ name, live, candidate }: RowProps) => (
  <tr>
    <th scope="row">{name}</th>
    <td class="number">{live}</td>
    <td class="number">{candidate}</td>
  </tr>
);

function CanaryTable({ canary }: { canary: Canary }) {
  const { lang, t } = use_words();
  const { live, candidate } = canary;
  const probe = (side: CanarySide, task: 'emotion' | 'topic') => (
    <>
      {accuracy(side.probe_accuracy[task])} <small>({format_count(lang, side.probe_accuracy[`${task}_texts`] ?? 0)})</small>
    </>
  );
  return (
    <>
      <div class="scroll-x" role="group" aria-label={t('models.canary')} tabIndex={0}>
        <table class="grid">
          <thead>
            <tr>
              <th scope="col">{t('models.figure')}</th>
              <th scope="col" class="number">{t('models.live', { version: canary.live_version })}</th>
              <th scope="col" class="number">{t('models.candidate', { version: canary.version })}</th>
            </tr>
          </thead>
          <tbody>
            <Row name={t('models.runs')} live={format_count(lang, live.runs)} candidate={format_count(lang, candidate.runs)} />
            <Row name={t('models.errors')} live={format_count(lang, live.errors)} candidate={format_count(lang, candidate.errors)} />
            <Row name={t('models.p99')} live={`${format_ms(lang, live.latency_p99_ms)} ms`} candidate={`${format_ms(lang, candidate.latency_p99_ms)} ms`} />
            <Row name={t('models.confidence')} live={format_share(live.mean_confidence)} candidate={format_share(candidate.mean_confidence)} />
            <Row name={t('models.golden.emotion')} live={probe(live, 'emotion')} candidate={probe(candidate, 'emotion')} />
            <Row name={t('models.golden.topic')} live={probe(live, 'topic')} candidate={probe(candidate, 'topic')} />
          </tbody>
        </table>
      </div>
      <p class="hint">
        {t('models.disagree', {
          count: format_count(lang, canary.compared),
          emotion: format_share(canary.emotion.disagreement),
          topic: format_share(canary.topic.disagreement),
        })}
        {canary.reason !== null && ` · ${canary.reason}`}
      </p>
    </>
  );
}

// The sets that the bundled models were measured on; others go by the name in their manifest.
const kDataSets: Record<string, MessageId> = {
  usual_eval: 'models.data.usual_eval',
  virus_eval: 'models.data.virus_eval',
  topic_dev: 'models.data.topic_dev',
  held_out: 'models.data.held_out',
};
const kTasks: Record<string, MessageId> = { emotion: 'models.task.emotion', topic: 'models.task.topic' };

function Published({ figures }: { figures: readonly PublishedFigure[] }) {
  const { lang, t } = use_words();
  const named = (names: Record<string, MessageId>, name: string) => {
    const key = names[name];
    return key === undefined ? name : t(key);
  };
  return (
    <section class="published">
      <h3>{t('models.published')}</h3>
      {figures.length === 0 ? (
        <p class="hint">{t('models.published.none')}</p>
      ) : (
        <div class="scroll-x" role="group" aria-label={t('models.published')} tabIndex={0}>
          <table class="grid">
            <thead>
              <tr>
                <th scope="col">{t('models.data')}</th>
                <th scope="col">{t('models.task')}</th>
                <th scope="col" class="number">{t('models.accuracy')}</th>
                <th scope="col" class="number">{t('models.macro_f1')}</th>
                <th scope="col" class="number">{t('models.runs')}</th>
              </tr>
            </thead>
            <tbody>
              {figures.map((f) => (
                <tr key={f.data}>
                  <th scope="row">{named(kDataSets, f.data)}</th>
                  <td>{f.task === null ? '–' : named(kTasks, f.task)}</td>
                  <td class="number">{accuracy(f.accuracy)}</td>
                  <td class="number">{accuracy(f.macro_f1)}</td>
                  <td class="number">{f.texts === null ? '–' : format_count(lang, f.texts)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {figures.length > 0 && <p class="hint">{t('models.published.note')}</p>}
    </section>
  );
}

type Action = 'swap' | 'rollback' | 'canary' | 'promote' | 'end';

function Figures({ figures }: { figures: SwapFigures }) {
  const { lang, t } = use_words();
  const tasks = (['emotion', 'topic'] as const).flatMap((task) => {
    const f = figures[task];
    return f ? [[task, f] as const] : [];
  });
  return (
    <ul class="swap-figures">
      {tasks.map(([task, f]) => (
        <li key={task}>
          {t(`models.swapped.${task}`, {
            agreement: accuracy(f.agreement),
            old: accuracy(f.accuracy_old),
            now: accuracy(f.accuracy_new),
            texts: format_count(lang, f.labelled),
          })}
        </li>
      ))}
      {figures.latency_ms_old !== undefined && figures.latency_ms_new !== undefined && (
        <li>{t('models.swapped.latency', { old: format_ms(lang, figures.latency_ms_old), now: format_ms(lang, figures.latency_ms_new) })}</li>
      )}
    </ul>
  );
}

function Outcome({ outcome }: { outcome: SwapAnswer | ApiError | null }) {
  const { lang, t } = use_words();
  if (outcome === null) return null;
  if (outcome instanceof ApiError) {
    const figures = outcome.problem['figures'] as SwapFigures | undefined;
    return (
      <div class="swap-outcome is-refused" role="alert">
        <p>
          <b>{t('models.refused')}</b> {outcome.detail}
        </p>
        {figures && <Figures figures={figures} />}
      </div>
    );
  }
  const first = outcome.times_ms['first_answer'];
  return (
    <div class="swap-outcome" role="status">
      <p>
        <b>{t('models.swapped', { from: outcome.from.version, to: outcome.to.version })}</b>
        {first !== undefined && ` ${t('models.swapped.first', { ms: format_ms(lang, first) })}`}
      </p>
      {outcome.figures && <Figures figures={outcome.figures} />}
    </div>
  );
}

interface CardProps {
  model: Model;
  engines: readonly string[];
  changed: () => void;
}

function ModelCard({ model, engines, changed }: CardProps) {
  const { lang, t } = use_words();
  // One that runs stands beside the model; how one ended is asked for once one was seen here.
  const [seen, set_seen] = useState(false);
  if (model.canary && !seen) set_seen(true);
  const last = use_query(`canary ${model.name} ${seen}`, async (signal) => (seen ? api.canary(model.name, signal) : null), 3000);
  const canary = last.data ?? model.canary;
  const [engine, set_engine] = useState('');
  const [asking, set_asking] = useState<Action | null>(null);
  const [outcome, set_outcome] = useState<SwapAnswer | ApiError | null>(null);
  const running = canary?.state === 'running';
  const list = `engines-${model.name}`;
  const act = async (action: Action) => {
    set_outcome(null);
    try {
      if (action === 'swap') set_outcome(await api.swap(model.name, engine));
      if (action === 'rollback') set_outcome(await api.rollback(model.name));
      if (action === 'canary') await api.start_canary(model.name, { new_engine: engine, percent: 5, mode: 'split' });
      if (action === 'promote') await api.promote_canary(model.name);
      if (action === 'end') await api.end_canary(model.name);
    } catch (error) {
      if (!(error instanceof ApiError) || error.status === 0) throw error;
      set_outcome(error); // a refusal has figures: they stay on the page
    }
    if (action === 'canary') set_seen(true);
    changed();
    last.reload();
  };
  return (
    <Panel
      title={model.name}
      hint={t(model.active ? 'models.active' : 'models.loaded')}
      class="model-card"
      tools={<span class="tag">{model.version}</span>}
    >
      <dl class="figure-grid">
        <div class="figure"><dt>{t('models.backend')}</dt><dd>{model.backend}</dd></div>
        <div class="figure"><dt>{t('models.precision')}</dt><dd>{model.precision}</dd></div>
        <div class="figure"><dt>{t('models.memory')}</dt><dd>{format_bytes(lang, model.memory_bytes)}</dd></div>
        <div class="figure"><dt>{t('models.max_length')}</dt><dd>{format_count(lang, model.max_length)}</dd></div>
      </dl>
      <p class="hint model-file">
        {t('models.file', { file: model.engine ?? t('models.folder') })} · sha256 <code>{model.sha256.slice(0, 12)}</code>
        {' · '}
        {model.tasks.map((task) => t('models.labels', { task: task.name, count: task.labels.length })).join(', ')}
      </p>
      <Published figures={model.published} />
      {canary && (
        <section class="canary">
          <h3>
            {t('models.canary')} <span class={running ? 'tag tag-on' : 'tag'}>{canary.state}</span>{' '}
            {running && t('models.canary.share', { percent: canary.percent, mode: canary.mode })}
          </h3>
          <CanaryTable canary={canary} />
        </section>
      )}
      <div class="model-tools">
        <label>
          <span class="visually-hidden">{t('models.engine')}</span>
          <input
            name="engine"
            list={list}
            autocomplete="off"
            placeholder={t('models.engine')}
            value={engine}
            onInput={(e) => set_engine(e.currentTarget.value)}
          />
          <datalist id={list}>
            {engines.map((e) => (
              <option key={e} value={e} />
            ))}
          </datalist>
        </label>
        <button type="button" class="button" data-action="swap" disabled={engine === '' || running} onClick={() => set_asking('swap')}>
          {t('models.swap')}
        </button>
        <button type="button" class="button" data-action="canary" disabled={engine === '' || running} onClick={() => set_asking('canary')}>
          {t('models.canary.start')}
        </button>
        {running && (
          <>
            <button type="button" class="button button-main" data-action="promote" onClick={() => set_asking('promote')}>
              {t('models.promote')}
            </button>
            <button type="button" class="button" data-action="end" onClick={() => set_asking('end')}>
              {t('models.canary.end')}
            </button>
          </>
        )}
        {model.rollback_to !== null && !running && (
          <button type="button" class="button" data-action="rollback" onClick={() => set_asking('rollback')}>
            {t('models.rollback', { to: model.rollback_to || t('models.folder') })}
          </button>
        )}
      </div>
      <Outcome outcome={outcome} />
      {asking && (
        <Confirm
          title={t(`models.ask.${asking}`, { model: model.name })}
          text={<p>{t(`models.ask.${asking}.text`, { engine: asking === 'promote' || asking === 'end' ? (canary?.engine ?? '') : engine })}</p>}
          action={t(`models.do.${asking}`)}
          run={() => act(asking)}
          close={() => set_asking(null)}
        />
      )}
    </Panel>
  );
}

function CascadePanel({ cascade }: { cascade: Cascade }) {
  const { lang, t } = use_words();
  return (
    <Panel title={t('models.cascade')} hint={cascade.version}>
      <p>
        {t('models.cascade.text', { first: cascade.first, second: cascade.second, margin: cascade.emotion_margin })}{' '}
        <b>{t('models.cascade.count', { escalated: format_count(lang, cascade.escalated), skipped: format_count(lang, cascade.skipped) })}</b>
      </p>
    </Panel>
  );
}

/** Files of the engines folder; what is served is no candidate. */
function engine_names(repository: readonly RepositoryEntry[], models: readonly Model[]): string[] {
  const served = new Set(models.map((m) => m.name));
  return repository.filter((e) => !served.has(e.name)).map((e) => (e.name.endsWith('.engine') ? e.name : `${e.name}.engine`));
}

export function ModelsView() {
  const { t } = use_words();
  const models = use_query('models', (signal) => api.models(signal), 5000);
  const repository = use_query('repository', (signal) => api.repository(signal), 30_000);
  return (
    <main id="content" class="single" tabIndex={-1}>
      <div class="view-head">
        <h1>{t('nav.models')}</h1>
      </div>
      <p class="view-intro">{t('models.intro')}</p>
      <QueryView query={models}>
        {(data) => (
          <>
            {data.models.length === 0 && <Empty text={t('models.none')} />}
            {data.cascade && <CascadePanel cascade={data.cascade} />}
            {data.models.map((model) => (
              <ModelCard
                key={model.name}
                model={model}
                engines={engine_names(repository.data ?? [], data.models)}
                changed={models.reload}
              />
            ))}
          </>
        )}
      </QueryView>
    </main>
  );
}
