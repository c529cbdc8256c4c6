// SPDX-License-Identifier: Apache-2.0
// What the duty desk keeps open: alerts, what moves, how it feels, what people write.

import { useMemo, useRef, useState } from 'preact/hooks';

import { api, report_url } from '../api/client';
import type { Alert, Post, Series, Trend, TrendKind } from '../api/types';
import { EmotionBar, ScoreBar, Sparkline } from '../charts/small';
import { TimeChart } from '../charts/time_chart';
import { use_now } from '../clock';
import { AlertCard } from '../components/alert_card';
import { PostItem } from '../components/post_item';
import { Choice, Empty, Loading, Panel, QueryView } from '../components/states';
import { format_count, format_ms, format_rate, format_share } from '../format';
import { key_name, kRegions, region_name } from '../i18n/names';
import { live } from '../live/connection';
import { order_alerts, type LiveState } from '../live/state';
import { use_words } from '../preferences';
import { use_query } from '../query';
import { go, route_hash, type Route } from '../router';
import {
  keep_slots,
  leading_topics,
  negative_shares,
  order_trends,
  pulse_lines,
  smooth_rate,
  step_for,
} from '../series';
import { useStore } from '../store';

const alerts_of = (s: LiveState) => s.alerts;
const alerts_loaded_of = (s: LiveState) => s.alerts_loaded;
const connection_of = (s: LiveState) => s.connection.phase;
const pulse_of = (s: LiveState) => s.pulse;
const stats_of = (s: LiveState) => s.stats;
const posts_of = (s: LiveState) => s.posts;

const kAlertsShown = 4;

function OpenAlerts() {
  const { lang, t } = use_words();
  const alerts = useStore(live, alerts_of);
  const loaded = useStore(live, alerts_loaded_of);
  const phase = useStore(live, connection_of);
  const ordered = useMemo(() => order_alerts(alerts.values()), [alerts]);
  const shown = ordered.slice(0, kAlertsShown);
  const more = ordered.length - shown.length;
  // What is on top when it is first seen is unfolded, and nothing folds under the reader's eyes.
  const unfolded = shown[0]?.state === 'open' ? shown[0].id : null;
  return (
    <Panel
      title={t('alerts.open')}
      hint={ordered.length > 0 ? t('alerts.open.count', { count: ordered.length }) : undefined}
      tools={
        <>
          <a href={report_url('', lang)} target="_blank" rel="noopener" data-action="report">
            {t('report')}
          </a>
          <a href={route_hash('alerts', '', { tab: 'all' })}>{t('alerts.history')}</a>
        </>
      }
      class="panel-alerts"
    >
      {ordered.length === 0 && loaded && phase === 'waiting' && (
        <Empty text={t('alerts.none.lost')} />
      )}
      {ordered.length === 0 && loaded && phase !== 'waiting' && (
        <div class="calm">
          <svg viewBox="0 0 120 24" aria-hidden="true">
            <path d="M2 14c10 0 10-5 20-5s10 5 20 5 10-5 20-5 10 5 20 5 10-5 20-5 10 5 16 5" />
          </svg>
          <Empty text={t('alerts.none')} hint={t('alerts.none.hint')} />
        </div>
      )}
      {ordered.length === 0 && !loaded && <Loading />}
      {shown.map((alert: Alert) => (
        <AlertCard key={alert.id} alert={alert} expanded={alert.id === unfolded} />
      ))}
      {more > 0 && (
        <a class="more-link" href={route_hash('alerts')}>
          {t('alerts.more', { count: more })}
        </a>
      )}
    </Panel>
  );
}

const kKinds = ['topic', 'hashtag', 'keyword', 'rule'] as const;
const kRowsShown = 10;
// The engine keeps ten minutes in memory; the topic view goes back further.
const kWindows = ['300', '60', '600'] as const;

function one_of<T extends string>(options: readonly T[], value: string | undefined): T {
  return options.find((o) => o === value) ?? (options[0] as T);
}

function TrendRow({ trend }: { trend: Trend }) {
  const { lang, t } = use_words();
  const name = key_name(lang, trend.key);
  const copies = trend.posts >= 50 && trend.texts < trend.posts * 0.2;
  return (
    <tr data-trend={trend.key} class={trend.score >= 1 ? 'is-over' : undefined}>
      <th scope="row">
        <a href={route_hash('topic', trend.key)}>{name}</a>
        {trend.rising && (
          <span class="rising">
            <span aria-hidden="true">↗</span>
            <span class="visually-hidden">{t('trends.rising')}</span>
          </span>
        )}
      </th>
      <td class="cell-spark">
        <Sparkline
          values={trend.sparkline}
          label={t('trends.spark', { name })}
          hot={trend.score >= 1}
        />
      </td>
      <td data-label={t('trends.score')}>
        <ScoreBar score={trend.score} text={format_rate(lang, trend.score)} />
      </td>
      <td data-label={t('trends.rate')} class="number">
        <span class="from">{format_rate(lang, trend.baseline_per_minute)} → </span>
        <b>{format_rate(lang, trend.rate_per_minute)}</b>
      </td>
      <td data-label={t('trends.negative')} class="number">
        <span class={trend.negative_share >= 0.5 ? 'share share-high' : 'share'}>
          {format_share(trend.negative_share)}
        </span>
      </td>
      <td data-label={t('trends.crowd')} class="number">
        {format_count(lang, trend.authors)} · {format_count(lang, trend.texts)}
        {copies && (
          <span
            class="copies"
            title={t('trends.copies.hint', { texts: trend.texts, posts: trend.posts })}
          >
            {t('trends.copies')}
          </span>
        )}
      </td>
    </tr>
  );
}

function TrendList({ route }: { route: Route }) {
  const { lang, t } = use_words();
  const kind: TrendKind = one_of(kKinds, route.params.get('kind'));
  const window = one_of(kWindows, route.params.get('window'));
  const region = route.params.get('region') ?? '*';
  const [all, set_all] = useState(false);
  const query = use_query(
    `${kind} ${window} ${region}`,
    (signal) => api.trends({ window, kind, limit: 40, region }, signal),
    3000,
  );
  const show = (change: Record<string, string | undefined>) => {
    const params = Object.fromEntries(route.params);
    go(route_hash('now', '', { ...params, ...change }), true);
  };
  const regions = kRegions.includes(region) || region === '*' ? kRegions : [...kRegions, region];
  return (
    <Panel
      title={t('trends.title')}
      class="panel-trends"
      tools={
        <>
          <Choice
            label={t('trends.kind')}
            value={kind}
            options={kKinds.map((k) => [k, t(`trends.kind.${k}`)] as const)}
            choose={(k) => show({ kind: k === 'topic' ? undefined : k })}
          />
          <Choice
            label={t('trends.window')}
            value={window}
            options={(['60', '300', '600'] as const).map((w) => [w, t(`window.${w}`)] as const)}
            choose={(w) => show({ window: w === '300' ? undefined : w })}
          />
          {kind === 'topic' && (
            <select
              aria-label={t('trends.region')}
              value={region}
              onChange={(e) => {
                const value = e.currentTarget.value;
                show({ region: value === '*' ? undefined : value });
              }}
            >
              <option value="*">{t('trends.region.all')}</option>
              {regions.map((r) => (
                <option key={r} value={r}>
                  {region_name(lang, r)}
                </option>
              ))}
            </select>
          )}
        </>
      }
    >
      <QueryView query={query}>
        {({ trends }) =>
          trends.length === 0 ? (
            <Empty text={t('trends.empty')} />
          ) : (
            <>
              <table class="trends">
                <thead>
                  <tr>
                    <th scope="col">{t(kind === 'topic' ? 'trends.key' : `trends.key.${kind}`)}</th>
                    <th scope="col">{t('trends.curve')}</th>
                    <th scope="col" title={t('trends.score.hint')}>
                      {t('trends.score')}
                    </th>
                    <th scope="col" class="number">{t('trends.rate')}</th>
                    <th scope="col" class="number">{t('trends.negative')}</th>
                    <th scope="col" class="number">{t('trends.crowd')}</th>
                  </tr>
                </thead>
                <tbody>
                  {order_trends(trends).slice(0, all ? undefined : kRowsShown).map((trend) => (
                    <TrendRow key={trend.key} trend={trend} />
                  ))}
                </tbody>
              </table>
              {trends.length > kRowsShown && (
                <button type="button" class="button more-rows" onClick={() => set_all(!all)}>
                  {all ? t('trends.fewer') : t('trends.more', { count: trends.length - kRowsShown })}
                </button>
              )}
            </>
          )
        }
      </QueryView>
    </Panel>
  );
}

const kTopicLines = 5;
const kNegativeRanges = ['600', '3600', '21600', '86400'] as const;

function NegativeByTopic({ route }: { route: Route }) {
  const { lang, t } = use_words();
  const range = one_of(kNegativeRanges, route.params.get('range'));
  const slots = useRef(new Map<string, number>());
  const query = use_query(
    `negative ${range}`,
    async (signal) => {
      const seconds = Number(range);
      const { trends } = await api.trends({ window: 600, kind: 'topic', limit: 20, region: '*' }, signal);
      const keys = leading_topics(trends, kTopicLines);
      const series = await Promise.all(
        keys.map((key) => api.series(key, { since: seconds, step: step_for(seconds) }, signal)),
      );
      return series;
    },
    10_000,
  );
  return (
    <Panel
      title={t('negative.title')}
      hint={t('negative.hint')}
      class="panel-negative"
      tools={
        <Choice
          label={t('range.label')}
          value={range}
          options={kNegativeRanges.map((r) => [r, t(`range.${r}`)] as const)}
          choose={(r) =>
            go(
              route_hash('now', '', {
                ...Object.fromEntries(route.params),
                range: r === '600' ? undefined : r,
              }),
              true,
            )
          }
        />
      }
    >
      <QueryView query={query}>
        {(all) => {
          slots.current = keep_slots(slots.current, all.map((s) => s.key), kTopicLines);
          return <NegativeChart all={all} slots={slots.current} lang={lang} />;
        }}
      </QueryView>
    </Panel>
  );
}

interface NegativeChartProps {
  all: Series[];
  slots: Map<string, number>;
  lang: 'zh' | 'en';
}

function NegativeChart({ all, slots, lang }: NegativeChartProps) {
  const { t } = use_words();
  const data = useMemo(() => {
    const step = all[0]?.step_seconds ?? 60;
    return negative_shares(all, step < 60 ? 6 : 3, 8);
  }, [all]);
  const last = (i: number) => data.lines[i]?.findLast((v) => v !== null) ?? null;
  const drawn = data.lines.some((line) => line.filter((v) => v !== null).length > 1);
  if (!drawn) return <Empty text={t('negative.empty')} />;
  const lines = all.map((s) => ({
    label: key_name(lang, s.key),
    color: `--topic-${slots.get(s.key) ?? 0}`,
  }));
  const told = all.map((_, i) => `${lines[i]?.label} ${format_share(last(i) ?? NaN)}`);
  return (
    <>
      <TimeChart
        data={data}
        lines={lines}
        format={format_share}
        height={190}
        top_min={0.5}
        top_max={1}
        summary={t('negative.summary', { list: told.join(lang === 'zh' ? '、' : ', ') })}
      />
      <ul class="line-legend">
        {all.map((s, i) => (
          <li key={s.key}>
            <i class={`dot topic-${slots.get(s.key) ?? 0}`} />
            <a href={route_hash('topic', s.key)}>{lines[i]?.label}</a>{' '}
            <b>{format_share(last(i) ?? NaN)}</b>
          </li>
        ))}
      </ul>
    </>
  );
}

const kPulseSeconds = 300;

function Pulse() {
  const { lang, t } = use_words();
  const pulse = useStore(live, pulse_of);
  const stats = useStore(live, stats_of);
  const now = Math.floor(use_now(1000) / 1000);
  // What came before this page was opened; without it the line starts where the page did. Asked
  // again while it is needed: an engine that catches up learns of the past later.
  const alone = (pulse[0]?.second ?? now) <= now - kPulseSeconds + 1;
  const backfill = use_query(
    'pulse',
    (signal) => api.series('*@*', { since: kPulseSeconds, step: 1 }, signal),
    alone ? 0 : 20_000,
  );
  const before = useMemo(() => smooth_rate(backfill.data?.points ?? [], 5), [backfill.data]);
  const end = pulse[pulse.length - 1]?.second ?? now;
  const data = useMemo(
    () => pulse_lines(pulse, before, Math.max(end, now - 2), kPulseSeconds),
    [pulse, before, end, now],
  );
  const { rate, latency } = useMemo(() => {
    const [r = [], p50 = [], p99 = []] = data.lines;
    return {
      rate: { seconds: data.seconds, lines: [r] },
      latency: { seconds: data.seconds, lines: [p99, p50] },
    };
  }, [data]);
  const deadline = stats?.deadline_ms ?? 50;
  const highest = (line: (number | null)[] | undefined) =>
    Math.max(0, ...(line ?? []).map((v) => v ?? 0));
  const rate_text = (v: number) => format_rate(lang, v);
  const ms_text = (v: number) => format_ms(lang, v);
  return (
    <Panel title={t('pulse.title')} hint={t('pulse.hint')} class="panel-pulse">
      <div class="chart-head">
        <h3>{t('pulse.rate')}</h3>
        <b>{stats ? rate_text(stats.posts_per_second) : '–'}</b>
      </div>
      <TimeChart
        data={rate}
        lines={[{ label: t('pulse.rate'), color: '--accent', fill: true }]}
        format={rate_text}
        height={110}
        top_min={1}
        group="pulse"
        summary={t('pulse.summary', {
          name: t('pulse.rate'),
          now: rate_text(stats?.posts_per_second ?? 0),
          max: rate_text(highest(rate.lines[0])),
        })}
      />
      <div class="chart-head">
        <h3>{t('pulse.latency')}</h3>
        <span class="legend-inline">
          <i class="dot line-p99" /> {t('pulse.p99')}
          <i class="dot line-p50" /> {t('pulse.p50')}
        </span>
      </div>
      <TimeChart
        data={latency}
        lines={[
          { label: t('pulse.p99'), color: '--line-p99' },
          { label: t('pulse.p50'), color: '--line-p50' },
        ]}
        format={ms_text}
        height={110}
        top_min={deadline * 1.2}
        mark={{ value: deadline, label: t('pulse.deadline', { deadline }) }}
        group="pulse"
        summary={t('pulse.summary', {
          name: t('pulse.p99'),
          now: ms_text(stats?.latency_ms.p99 ?? 0),
          max: ms_text(highest(latency.lines[0])),
        })}
      />
    </Panel>
  );
}

function EmotionsNow() {
  const { t } = use_words();
  const stats = useStore(live, stats_of);
  return (
    <Panel title={t('emotions.title')} class="panel-emotions">
      {stats ? <EmotionBar by={stats.emotions} legend /> : <Loading />}
    </Panel>
  );
}

const kPostsShown = 14;

function LivePosts() {
  const { t } = use_words();
  const posts = useStore(live, posts_of);
  const [held, set_held] = useState<readonly Post[] | null>(null);
  const shown = (held ?? posts).slice(0, kPostsShown);
  const fresh = held ? new_since(posts, held[0]) : 0;
  return (
    <Panel
      title={t('posts.live')}
      hint={held ? t('posts.paused', { count: fresh }) : undefined}
      class="panel-posts"
      tools={
        <button
          type="button"
          class="button"
          aria-pressed={held !== null}
          onClick={() => set_held(held ? null : posts)}
        >
          {t(held ? 'posts.resume' : 'posts.pause')}
        </button>
      }
    >
      {shown.length === 0 ? (
        <Empty text={t('posts.waiting')} />
      ) : (
        <ul class="posts">
          {shown.map((post) => (
            <PostItem key={post.id} post={post} />
          ))}
        </ul>
      )}
    </Panel>
  );
}

function new_since(posts: readonly Post[], newest: Post | undefined): number {
  const at = posts.findIndex((p) => p.id === newest?.id);
  return at < 0 ? posts.length : at;
}

export function NowView({ route }: { route: Route }) {
  const { t } = use_words();
  return (
    <main id="content" class="now" tabIndex={-1}>
      <h1 class="visually-hidden">{t('now.title')}</h1>
      <div class="column">
        <OpenAlerts />
        <TrendList route={route} />
        <NegativeByTopic route={route} />
      </div>
      <div class="column">
        <Pulse />
        <EmotionsNow />
        <LivePosts />
      </div>
    </main>
  );
}
