// SPDX-License-Identifier: Apache-2.0
// The inbox of alerts, their history, and one alert at its own address.

import { useState } from 'preact/hooks';

import { api, ApiError } from '../api/client';
import type { Alert, AlertActionName } from '../api/types';
import { use_now } from '../clock';
import { act_on, actions_for, is_muted, kMuteMinutes } from '../components/alert_actions';
import { AlertCard, crowd_text, History } from '../components/alert_card';
import { More } from '../components/more';
import { Choice, Empty, error_text, Failed, Loading, Panel, QueryView } from '../components/states';
import { When } from '../components/when';
import { format_duration, format_rate, format_share } from '../format';
import { key_name, kind_name, severity_name, state_name } from '../i18n/names';
import { live } from '../live/connection';
import type { LiveState } from '../live/state';
import { use_words } from '../preferences';
import { use_pages } from '../pages';
import { use_query } from '../query';
import { go, route_hash, type Route } from '../router';
import { step_for } from '../series';
import { utc_second } from '../search_fields';
import { use_keys } from '../shortcuts';
import { useStore } from '../store';
import { is_counted, posts_of_key } from '../topic_keys';
import { SeriesCharts } from '../charts/series_charts';
import { Delivery } from './delivery';
import { FoundCourse, kParts } from './topic_panels';

const kTabs = ['inbox', 'history', 'all', 'delivery'] as const;
type Tab = (typeof kTabs)[number];
const kStateOf = { inbox: 'open', history: 'closed', all: 'all' } as const;
const kSeverities = ['critical', 'warning', 'info'] as const;
const kKinds = ['volume', 'negative', 'emergent', 'coordinated'] as const;
const alerts_of = (s: LiveState) => s.alerts;

/** `state=` is how older addresses said it. */
function tab_of(route: Route): Tab {
  const tab = kTabs.find((x) => x === route.params.get('tab'));
  if (tab) return tab;
  const state = route.params.get('state');
  return state === 'closed' ? 'history' : state === 'all' ? 'all' : 'inbox';
}

interface Filter {
  severity: string;
  kind: string;
  q: string;
}

function passes(alert: Alert, filter: Filter, name: string): boolean {
  if (filter.severity !== '' && alert.severity !== filter.severity) return false;
  if (filter.kind !== '' && alert.kind !== filter.kind) return false;
  const text = `${name} ${alert.key} ${alert.title} ${alert.terms.join(' ')}`.toLowerCase();
  return text.includes(filter.q.toLowerCase());
}

interface RowProps {
  alert: Alert;
  /** reports what went wrong */
  act: (alert: Alert, action: AlertActionName) => void;
}

function AlertRow({ alert, act }: RowProps) {
  const words = use_words();
  const { lang, t } = words;
  const now = use_now(30_000);
  const share = alert.kind === 'negative';
  const show = (v: number) => (share ? format_share(v) : format_rate(lang, v));
  const end = alert.closed_at ? Date.parse(alert.closed_at) : now;
  const quick = actions_for(alert).filter((a) => a !== 'mute').slice(0, 2);
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
        <When time={alert.opened_at} />
        <span>
          {state_name(lang, alert.state)}
          {is_muted(alert, now) && ` · ${t('alert.is_muted')}`} · {format_duration(lang, end - Date.parse(alert.onset_at))}
        </span>
      </div>
      <div class="alert-row-tools">
        {quick.map((action) => (
          <button key={action} type="button" class="link-button" data-action={action} onClick={() => act(alert, action)}>
            {t(`alert.${action}`)}
          </button>
        ))}
      </div>
    </li>
  );
}

/** The row that has the focus, by its place; -1: none. */
function focused_row(): number {
  const rows = [...document.querySelectorAll('.alert-row')];
  return rows.findIndex((row) => row.contains(document.activeElement));
}

function focus_row(at: number): void {
  const rows = document.querySelectorAll<HTMLElement>('.alert-row');
  const wanted = rows[Math.max(0, Math.min(rows.length - 1, at))];
  wanted?.querySelector<HTMLElement>('.alert-row-main a')?.focus();
}

function FilterBar({ filter, change }: { filter: Filter; change: (f: Partial<Filter>) => void }) {
  const { lang, t } = use_words();
  return (
    <div class="alert-filters">
      <input
        type="search"
        class="filter-input"
        aria-label={t('alerts.find')}
        placeholder={t('alerts.find')}
        value={filter.q}
        onInput={(e) => change({ q: e.currentTarget.value })}
      />
      <select aria-label={t('alerts.severity')} value={filter.severity} onChange={(e) => change({ severity: e.currentTarget.value })}>
        <option value="">{t('alerts.any_severity')}</option>
        {kSeverities.map((s) => (
          <option key={s} value={s}>
            {severity_name(lang, s)}
          </option>
        ))}
      </select>
      <select aria-label={t('alerts.kind')} value={filter.kind} onChange={(e) => change({ kind: e.currentTarget.value })}>
        <option value="">{t('alerts.any_kind')}</option>
        {kKinds.map((k) => (
          <option key={k} value={k}>
            {kind_name(lang, k)}
          </option>
        ))}
      </select>
    </div>
  );
}

function Inbox({ route, tab }: { route: Route; tab: Exclude<Tab, 'delivery'> }) {
  const { lang, t } = use_words();
  const [problem, set_problem] = useState<Error | null>(null);
  const state = kStateOf[tab];
  const pages = use_pages(`alerts ${state}`, async (before: string | undefined, signal) => {
    const answer = await api.alerts({ state, limit: 50, before }, signal);
    return { items: answer.alerts, next: answer.next };
  });
  const filter: Filter = {
    severity: route.params.get('severity') ?? '',
    kind: route.params.get('kind') ?? '',
    q: route.params.get('q') ?? '',
  };
  const change = (f: Partial<Filter>) =>
    go(route_hash('alerts', '', { tab: tab === 'inbox' ? undefined : tab, ...filter, ...f }), true);
  const open = useStore(live, alerts_of);
  // The stream knows of alerts newer than the page, and newer words on those it shows.
  const known = new Set(pages.items.map((a) => a.id));
  const fresh = tab === 'history' ? [] : [...open.values()].filter((a) => !known.has(a.id));
  const items = [
    ...fresh.sort((a, b) => b.opened_at.localeCompare(a.opened_at)),
    ...pages.items.map((a) => open.get(a.id) ?? a),
  ].filter((a) => passes(a, filter, key_name(lang, a.key)));
  const shown = pages.loading || pages.error ? [] : items;

  const act = async (alert: Alert, action: AlertActionName) => {
    set_problem(null);
    try {
      await act_on(alert, action, action === 'mute' ? { minutes: kMuteMinutes } : {});
      if (action === 'resolve' || action === 'reopen') pages.reload();
    } catch (error) {
      set_problem(error instanceof Error ? error : new Error(String(error)));
    }
  };
  const on_focused = (action: AlertActionName) => () => {
    const alert = shown[focused_row()];
    if (alert && actions_for(alert).includes(action)) void act(alert, action);
  };
  use_keys({
    j: () => focus_row(focused_row() + 1),
    k: () => focus_row(focused_row() - 1),
    a: on_focused('ack'),
    e: on_focused('escalate'),
    m: on_focused('mute'),
    r: on_focused('resolve'),
    o: on_focused('reopen'),
  });
  const filtered = filter.severity !== '' || filter.kind !== '' || filter.q !== '';
  return (
    <section class="panel" aria-label={t(`alerts.tab.${tab}`)}>
      <FilterBar filter={filter} change={change} />
      {problem && (
        <p class="problem" role="alert">
          {t('alert.action_failed', { reason: error_text(t, problem) })}
        </p>
      )}
      {pages.loading && <Loading />}
      {pages.error && <Failed error={pages.error} retry={pages.reload} />}
      {!pages.loading && !pages.error && shown.length === 0 && (
        <Empty text={t(filtered ? 'alerts.none.filter' : tab === 'inbox' ? 'alerts.none' : 'alerts.history.empty')} />
      )}
      <ul class="alert-rows">
        {shown.map((alert) => (
          <AlertRow key={alert.id} alert={alert} act={(a, action) => void act(a, action)} />
        ))}
      </ul>
      <More pages={pages} />
    </section>
  );
}

export function AlertsView({ route }: { route: Route }) {
  const { t } = use_words();
  const tab = tab_of(route);
  return (
    <main id="content" class="single" tabIndex={-1}>
      <div class="view-head">
        <h1>{t('nav.alerts')}</h1>
        <Choice
          label={t('alerts.tabs')}
          value={tab}
          options={kTabs.map((x) => [x, t(`alerts.tab.${x}`)] as const)}
          choose={(x) => go(route_hash('alerts', '', { tab: x === 'inbox' ? undefined : x }))}
        />
      </div>
      {tab === 'delivery' ? <Delivery route={route} /> : <Inbox key={tab} route={route} tab={tab} />}
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
            alerts={[alert]}
          />
        )}
      </QueryView>
    </Panel>
  );
}

/** The same for what no curve is kept of: what a search finds. */
function FoundAround({ alert }: { alert: Alert }) {
  const { t } = use_words();
  const now = use_now(60_000);
  const from = Date.parse(alert.onset_at) - kAroundSeconds * 1000;
  const until = Math.min(now, Date.parse(alert.closed_at ?? alert.updated_at) + kAroundSeconds * 1000);
  const query = use_query(`found around ${alert.id} ${alert.updated_at}`, async (signal) => {
    const asked = { ...posts_of_key(alert.key), since: utc_second(from), until: utc_second(until) };
    const [summary, found] = await Promise.all([
      api.summary({ ...asked, buckets: kParts }, signal),
      api.posts({ ...asked, limit: 200 }, signal),
    ]);
    return { summary, posts: found.posts };
  });
  return (
    <Panel title={t('alert.around')}>
      <QueryView query={query}>
        {({ summary, posts }) => (
          <FoundCourse alerts={[alert]} summary={summary} posts={posts} from_ms={from} until_ms={until} />
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
                {is_counted(alert.key) ? <Around alert={alert} /> : <FoundAround alert={alert} />}
              </>
            );
          }}
        </QueryView>
      )}
    </main>
  );
}
