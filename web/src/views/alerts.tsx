// SPDX-License-Identifier: Apache-2.0
// The history of alerts, and one alert at its own address.

import { api, ApiError } from '../api/client';
import type { Alert } from '../api/types';
import { use_now } from '../clock';
import { AlertCard, crowd_text, History } from '../components/alert_card';
import { More } from '../components/more';
import { Choice, Empty, Failed, Loading, Panel, QueryView } from '../components/states';
import { format_duration, format_rate, format_share, format_time } from '../format';
import { key_name, kind_name, severity_name, state_name } from '../i18n/names';
import { live } from '../live/connection';
import type { LiveState } from '../live/state';
import { use_words } from '../preferences';
import { use_pages } from '../pages';
import { use_query } from '../query';
import { go, route_hash, type Route } from '../router';
import { step_for } from '../series';
import { useStore } from '../store';
import { SeriesCharts } from './topic';

const kStates = ['all', 'open', 'closed'] as const;
const alerts_of = (s: LiveState) => s.alerts;

function AlertRow({ alert }: { alert: Alert }) {
  const words = use_words();
  const { lang, t } = words;
  const now = use_now(30_000);
  const share = alert.kind === 'negative';
  const show = (v: number) => (share ? format_share(v) : format_rate(lang, v));
  const end = alert.closed_at ? Date.parse(alert.closed_at) : now;
  return (
    <li class={`alert-row severity-${alert.severity} is-${alert.state}`} data-alert={alert.id}>
      <span class="severity">{severity_name(lang, alert.severity)}</span>
      <div class="alert-row-main">
        <a href={route_hash('alert', alert.id)}>
          <b>{key_name(lang, alert.key)}</b> {kind_name(lang, alert.kind)}
        </a>
        <span class="alert-row-detail">
          {show(alert.from_rate)} → {show(alert.to_rate)}{' '}
          {share ? t('alert.share') : t('alert.per_minute')} · {crowd_text(words, alert)}
          {alert.terms.length > 0 && ` · ${alert.terms.slice(0, 4).join(' ')}`}
        </span>
      </div>
      <div class="alert-row-when">
        <time dateTime={alert.opened_at}>{format_time(lang, alert.opened_at, now)}</time>
        <span>
          {state_name(lang, alert.state)} · {format_duration(lang, end - Date.parse(alert.onset_at))}
        </span>
      </div>
    </li>
  );
}

export function AlertsView({ route }: { route: Route }) {
  const { t } = use_words();
  const state = kStates.find((s) => s === route.params.get('state')) ?? 'all';
  const pages = use_pages(`alerts ${state}`, async (before: string | undefined, signal) => {
    const answer = await api.alerts({ state, limit: 50, before }, signal);
    return { items: answer.alerts, next: answer.next };
  });
  const open = useStore(live, alerts_of);
  // The stream knows of alerts newer than the page, and newer words on those it shows.
  const known = new Set(pages.items.map((a) => a.id));
  const fresh = state === 'closed' ? [] : [...open.values()].filter((a) => !known.has(a.id));
  const items = [
    ...fresh.sort((a, b) => b.opened_at.localeCompare(a.opened_at)),
    ...pages.items.map((a) => open.get(a.id) ?? a),
  ];
  const shown = pages.loading || pages.error ? [] : items;
  return (
    <main id="content" class="single" tabIndex={-1}>
      <div class="view-head">
        <h1>{t('alerts.history')}</h1>
        <Choice
          label={t('alerts.filter')}
          value={state}
          options={[
            ['all', t('alerts.all')],
            ['open', t('alerts.state.open')],
            ['closed', t('alerts.state.closed')],
          ]}
          choose={(s) => go(route_hash('alerts', '', { state: s === 'all' ? undefined : s }), true)}
        />
      </div>
      <section class="panel" aria-label={t('alerts.history')}>
        {pages.loading && <Loading />}
        {pages.error && <Failed error={pages.error} retry={pages.reload} />}
        {!pages.loading && !pages.error && shown.length === 0 && (
          <Empty text={t('alerts.history.empty')} />
        )}
        <ul class="alert-rows">
          {shown.map((alert) => (
            <AlertRow key={alert.id} alert={alert} />
          ))}
        </ul>
        <More pages={pages} />
      </section>
    </main>
  );
}

const kAroundSeconds = 900;

function Around({ alert }: { alert: Alert }) {
  const { lang, t } = use_words();
  const now = Math.floor(use_now(60_000) / 1000);
  const onset = Math.floor(Date.parse(alert.onset_at) / 1000);
  const end = Math.floor(Date.parse(alert.closed_at ?? alert.updated_at) / 1000);
  const since = Math.max(600, now - onset + kAroundSeconds);
  const query = use_query(
    `around ${alert.id} ${alert.updated_at}`,
    (signal) => api.series(alert.key, { since, step: step_for(since) }, signal),
  );
  return (
    <Panel title={t('alert.around')}>
      <QueryView query={query}>
        {(series) => (
          <SeriesCharts
            series={series}
            name={key_name(lang, alert.key)}
            span={[onset, Math.max(end, onset + 60)]}
          />
        )}
      </QueryView>
    </Panel>
  );
}

export function AlertView({ route }: { route: Route }) {
  const { t } = use_words();
  const query = use_query(`alert ${route.id}`, (signal) => api.alert(route.id, signal), 15_000);
  const open = useStore(live, alerts_of);
  const missing = query.error instanceof ApiError && query.error.status === 404;
  return (
    <main id="content" class="single" tabIndex={-1}>
      <div class="view-head">
        <p class="crumbs">
          <a href={route_hash('alerts')}>{t('alert.back')}</a>
        </p>
      </div>
      {missing ? (
        <section class="panel">
          <h1 class="visually-hidden">404</h1>
          <Empty text={t('alert.not_found')} />
        </section>
      ) : (
        <QueryView query={query}>
          {(answer) => {
            const alert = open.get(answer.id) ?? answer;
            return (
              <>
                <section class="panel panel-alerts">
                  <AlertCard alert={alert} alone changed={query.reload} />
                </section>
                {(answer.history ?? []).length > 0 && (
                  <Panel title={t('alert.history')}>
                    <History alert={answer} />
                  </Panel>
                )}
                <Around alert={alert} />
              </>
            );
          }}
        </QueryView>
      )}
    </main>
  );
}
