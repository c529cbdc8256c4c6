// SPDX-License-Identifier: Apache-2.0
// One key over time: how much, in what mood, by whom, and what was written last.

import { useMemo } from 'preact/hooks';

import { api, report_url, type PostQuery } from '../api/client';
import type { Alert, Series } from '../api/types';
import { SeriesCharts } from '../charts/series_charts';
import { EmotionBar } from '../charts/small';
import { use_now } from '../clock';
import { AlertCard } from '../components/alert_card';
import { PostItem } from '../components/post_item';
import { Choice, Empty, Panel, QueryView } from '../components/states';
import { format_count, format_rate, format_share } from '../format';
import { key_name } from '../i18n/names';
import { live } from '../live/connection';
import { order_alerts, type LiveState } from '../live/state';
import { use_words } from '../preferences';
import { use_query } from '../query';
import { go, parse_key, route_hash, type Route } from '../router';
import { marked_words, rule_of } from '../search_fields';
import { kEmotions, step_for } from '../series';
import { useStore } from '../store';
import { has_report, is_about, is_counted, posts_of_key } from '../topic_keys';
import { AccountsPanel, CascadePanel, CopiesPanel, FoundCourse, kParts, MapPanel, TermsPanel } from './topic_panels';

const kRanges = ['600', '3600', '21600', '86400', '604800'] as const;
type Range = (typeof kRanges)[number];

function Figures({ series }: { series: Series }) {
  const { lang, t } = use_words();
  const sum = (pick: (p: Series['points'][number]) => number) =>
    series.points.reduce((total, p) => total + pick(p), 0);
  const posts = sum((p) => p.posts);
  const peak = Math.max(0, ...series.points.map((p) => p.posts)) * (60 / series.step_seconds);
  const emotions = Object.fromEntries(kEmotions.map((e) => [e, sum((p) => p.emotions[e] ?? 0)]));
  const figure = (name: string, value: string) => (
    <div class="figure">
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
  return (
    <div class="figures">
      <dl>
        {figure(t('topic.total'), format_count(lang, posts))}
        {figure(t('topic.peak'), format_rate(lang, peak))}
        {figure(t('vitals.negative'), posts > 0 ? format_share(sum((p) => p.negative) / posts) : '–')}
        {figure(t('topic.authors'), format_count(lang, sum((p) => p.authors)))}
        {figure(t('topic.texts'), format_count(lang, sum((p) => p.texts)))}
      </dl>
      {posts > 0 && <EmotionBar by={emotions} />}
    </div>
  );
}

const alerts_of = (s: LiveState) => s.alerts;
const kSampleMax = 200;
const kEvidenceShown = 12;

/** Alerts that concern the key: what is open by the stream, and what was told before. */
function use_alerts_about(key: string, since_ms: number): Alert[] {
  const open = useStore(live, alerts_of);
  const past = use_query(`alerts about ${key}`, (signal) => api.alerts({ state: 'all', limit: 200 }, signal), 30_000);
  return useMemo(() => {
    const all = new Map((past.data?.alerts ?? []).map((a) => [a.id, a]));
    for (const [id, alert] of open) all.set(id, alert);
    const about = [...all.values()].filter((a) => is_about(a.key, key));
    return about.filter((a) => a.closed_at === null || Date.parse(a.closed_at) >= since_ms);
  }, [open, past.data, key, Math.floor(since_ms / 60_000)]);
}

/** The same question, for negative posts alone. */
const negative_of = (query: PostQuery): PostQuery => ({
  ...query,
  q: query.q ? `(${query.q}) emotion:negative` : 'emotion:negative',
});

function Head({ topic_key, range, filter }: { topic_key: string; range: Range; filter: PostQuery }) {
  const { lang, t } = use_words();
  const rule = parse_key(topic_key).kind === 'rule' ? topic_key.slice(5) : null;
  const { q, topic, region } = filter;
  return (
    <div class="view-head">
      <p class="crumbs">
        <a href={route_hash('now')}>{t('nav.now')}</a> <span aria-hidden="true">/</span> {t('topic.breadcrumb')}
      </p>
      <h1>{key_name(lang, topic_key)}</h1>
      <Choice
        label={t('range.label')}
        value={range}
        options={kRanges.map((r) => [r, t(`range.${r}`)] as const)}
        choose={(r) => go(route_hash('topic', topic_key, { range: r === '3600' ? undefined : r }), true)}
      />
      <a class="button" href={route_hash('search', '', { q, topic, region })}>
        {t('nav.search')}
      </a>
      <a class="button" href={rule !== null ? route_hash('rule', rule) : route_hash('rule', '+', { query: rule_of(filter) })}>
        {t(rule !== null ? 'topic.edit_rule' : 'topic.make_rule')}
      </a>
      {has_report(topic_key) && (
        <a
          class="button"
          href={report_url(topic_key, lang, range === '604800' ? '7d' : '24h')}
          target="_blank"
          rel="noopener"
          data-action="report"
        >
          {t('report')}
        </a>
      )}
    </div>
  );
}

export function TopicView({ route }: { route: Route }) {
  const { lang, t } = use_words();
  const key = route.id;
  const range: Range = kRanges.find((r) => r === route.params.get('range')) ?? '3600';
  const seconds = Number(range);
  const now = use_now(30_000);
  const series = use_query(
    `${key} ${range}`,
    (signal) => api.series(key, { since: seconds, step: step_for(seconds) }, signal),
    seconds <= 600 ? 5000 : 15_000,
  );
  const parts = parse_key(key);
  const rule = use_query(`rule of ${key}`, async (signal) => (parts.kind === 'rule' ? api.rule(parts.term, signal) : null));
  const filter = posts_of_key(key, rule.data?.query);
  const ranged = { ...filter, since: String(seconds) };
  const ready = parts.kind !== 'rule' || !rule.loading;
  const posts = use_query(
    `posts ${JSON.stringify(ranged)} ${ready}`,
    async (signal) => (ready ? api.posts({ ...ranged, limit: kSampleMax }, signal) : null),
    15_000,
  );
  const summary = use_query(
    `summary ${JSON.stringify(ranged)} ${ready}`,
    async (signal) => {
      if (!ready) return null;
      const all = await api.summary({ ...ranged, buckets: kParts }, signal);
      if (!all) return null;
      // The map shows a regional key beside the other regions.
      const { region, ...everywhere } = ranged;
      const map = region === undefined ? all : await api.summary({ ...everywhere, buckets: 1 }, signal);
      return { all, map, negative: await api.summary({ ...negative_of(everywhere), buckets: 1 }, signal) };
    },
    30_000,
  );
  const about = use_alerts_about(key, now - seconds * 1000);
  const open = order_alerts(about.filter((a) => a.closed_at === null && a.state !== 'resolved'));
  const name = key_name(lang, key);
  const sample = posts.data?.posts ?? [];
  const evidence = new Set(about.flatMap((a) => a.evidence));
  const shown = [...sample].sort((a, b) => Number(evidence.has(b.id)) - Number(evidence.has(a.id))).slice(0, kEvidenceShown);
  const words = marked_words(filter.q ?? '').join(' ');
  return (
    <main id="content" class="topic" tabIndex={-1} data-topic={key}>
      <Head topic_key={key} range={range} filter={filter} />
      <div class="column">
        {open.length > 0 && (
          <Panel title={t('topic.alerts')} class="panel-alerts">
            {open.map((alert) => (
              <AlertCard key={alert.id} alert={alert} />
            ))}
          </Panel>
        )}
        <Panel title={t('trends.curve')}>
          <QueryView query={series}>
            {(data) =>
              is_counted(key) || data.points.length > 0 ? (
                <>
                  <Figures series={data} />
                  <SeriesCharts series={data} name={name} alerts={about} />
                </>
              ) : (
                <FoundCourse
                  alerts={about}
                  summary={summary.data?.all ?? null}
                  posts={sample}
                  from_ms={now - seconds * 1000}
                  until_ms={now}
                />
              )
            }
          </QueryView>
        </Panel>
        <Panel title={t(evidence.size > 0 ? 'topic.evidence' : 'posts.latest')}>
          <QueryView query={posts}>
            {() =>
              shown.length === 0 ? (
                <Empty text={t('posts.empty')} />
              ) : (
                <ul class="posts">
                  {shown.map((post) => (
                    <PostItem key={post.id} post={post} query={words} evidence={evidence.has(post.id)} />
                  ))}
                </ul>
              )
            }
          </QueryView>
        </Panel>
      </div>
      <div class="column">
        <MapPanel
          topic_key={key}
          summary={summary.data?.map ?? null}
          negative={summary.data?.negative ?? null}
          posts={sample}
          query={filter.q ?? ''}
        />
        <TermsPanel alerts={open} posts={sample} />
        <AccountsPanel alerts={open} summary={summary.data?.all ?? null} posts={sample} />
        <CascadePanel alerts={open} posts={sample} />
        <CopiesPanel posts={sample} />
      </div>
    </main>
  );
}
