// SPDX-License-Identifier: Apache-2.0
// One key over time: how much, in what mood, by whom, and what was written last.

import { useMemo } from 'preact/hooks';

import { api, type PostQuery } from '../api/client';
import type { Series } from '../api/types';
import { EmotionBar } from '../charts/small';
import { TimeChart } from '../charts/time_chart';
import { use_now } from '../clock';
import { AlertCard } from '../components/alert_card';
import { PostItem } from '../components/post_item';
import { Choice, Empty, Panel, QueryView } from '../components/states';
import { format_count, format_rate, format_share } from '../format';
import { emotion_name, key_name } from '../i18n/names';
import { live } from '../live/connection';
import { order_alerts, type LiveState } from '../live/state';
import { use_words } from '../preferences';
import { use_query } from '../query';
import { go, parse_key, route_hash, type Route } from '../router';
import { emotion_lines, kEmotions, step_for, volume_lines, without_filling_step } from '../series';
import { useStore } from '../store';

const kRanges = ['600', '3600', '21600', '86400'] as const;
type Range = (typeof kRanges)[number];

/** The posts that a key counts, as far as the search can name them. */
export function posts_of_key(key: string): PostQuery {
  const parts = parse_key(key);
  if (parts.kind !== 'topic') return { q: parts.term };
  return {
    ...(parts.topic === '*' ? {} : { topic: parts.topic }),
    ...(parts.region === '*' ? {} : { region: parts.region }),
  };
}

/** Whether an alert on one key concerns the reader of another: `finance@广东` that of `finance@*`. */
export function is_about(alert_key: string, key: string): boolean {
  if (alert_key === key) return true;
  const of_alert = parse_key(alert_key);
  const of_view = parse_key(key);
  if (of_alert.kind !== 'topic' || of_view.kind !== 'topic') return false;
  const within = (part: string, whole: string) => whole === '*' || part === whole;
  return within(of_alert.topic, of_view.topic) && within(of_alert.region, of_view.region);
}

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

export interface SeriesChartsProps {
  series: Series;
  name: string;
  /** shaded: from, to in Unix seconds */
  span?: [number, number];
}

export function SeriesCharts({ series, name, span }: SeriesChartsProps) {
  const { lang, t } = use_words();
  const now = Math.floor(use_now(30_000) / 1000);
  const { volume, emotions } = useMemo(() => {
    const whole = without_filling_step(series, now);
    return { volume: volume_lines(whole), emotions: emotion_lines(whole) };
  }, [series]);
  if (series.points.length === 0) return <Empty text={t('topic.no_points')} />;
  const rate = (v: number) => format_rate(lang, v);
  const total = series.points.reduce((sum, p) => sum + p.posts, 0);
  const peak = Math.max(0, ...series.points.map((p) => p.posts)) * (60 / series.step_seconds);
  const summary = t('topic.summary', { name, total: format_count(lang, total), peak: rate(peak) });
  const shade = span ? { span } : {};
  return (
    <>
      <div class="chart-head">
        <h3>{t('topic.volume')}</h3>
        <span class="legend-inline">
          <i class="dot line-posts" /> {t('topic.posts')}
          <i class="dot line-authors" /> {t('topic.authors')}
          <i class="dot line-texts" /> {t('topic.texts')}
        </span>
      </div>
      <TimeChart
        data={volume}
        lines={[
          { label: t('topic.posts'), color: '--accent', fill: true, width: 2 },
          { label: t('topic.authors'), color: '--line-authors' },
          { label: t('topic.texts'), color: '--line-texts', dash: true },
        ]}
        format={rate}
        height={230}
        top_min={4}
        group="topic"
        summary={summary}
        {...shade}
      />
      <div class="chart-head">
        <h3>{t('topic.emotions')}</h3>
        <span class="legend-inline">
          {kEmotions.map((e) => (
            <span key={e}>
              <i class={`dot emotion-${e}`} /> {emotion_name(lang, e)}
            </span>
          ))}
        </span>
      </div>
      <TimeChart
        data={emotions}
        lines={kEmotions.map((e) => ({ label: emotion_name(lang, e), color: `--emotion-${e}` }))}
        format={rate}
        height={230}
        top_min={4}
        stacked
        group="topic"
        summary={summary}
        {...shade}
      />
    </>
  );
}

const alerts_of = (s: LiveState) => s.alerts;

export function TopicView({ route }: { route: Route }) {
  const { lang, t } = use_words();
  const key = route.id;
  const range: Range = kRanges.find((r) => r === route.params.get('range')) ?? '3600';
  const seconds = Number(range);
  const series = use_query(
    `${key} ${range}`,
    (signal) => api.series(key, { since: seconds, step: step_for(seconds) }, signal),
    seconds <= 600 ? 5000 : 15_000,
  );
  const filter = posts_of_key(key);
  const posts = use_query(
    `posts ${key}`,
    (signal) => api.posts({ ...filter, limit: 20 }, signal),
    10_000,
  );
  const open = useStore(live, alerts_of);
  const alerts = useMemo(
    () => order_alerts([...open.values()].filter((a) => is_about(a.key, key))),
    [open, key],
  );
  const name = key_name(lang, key);
  const { q, topic, region } = filter;
  return (
    <main id="content" class="topic" tabIndex={-1} data-topic={key}>
      <div class="view-head">
        <p class="crumbs">
          <a href={route_hash('now')}>{t('nav.now')}</a> <span aria-hidden="true">/</span>{' '}
          {t('topic.breadcrumb')}
        </p>
        <h1>{name}</h1>
        <Choice
          label={t('range.label')}
          value={range}
          options={kRanges.map((r) => [r, t(`range.${r}`)] as const)}
          choose={(r) => go(route_hash('topic', key, { range: r === '3600' ? undefined : r }), true)}
        />
      </div>
      <div class="column">
        {alerts.length > 0 && (
          <Panel title={t('topic.alerts')} class="panel-alerts">
            {alerts.map((alert) => (
              <AlertCard key={alert.id} alert={alert} />
            ))}
          </Panel>
        )}
        <section class="panel">
          <QueryView query={series}>
            {(data) => (
              <>
                <Figures series={data} />
                <SeriesCharts series={data} name={name} />
              </>
            )}
          </QueryView>
        </section>
      </div>
      <div class="column">
        <Panel
          title={t('posts.latest')}
          tools={<a href={route_hash('search', '', { q, topic, region })}>{t('nav.search')}</a>}
        >
          <QueryView query={posts}>
            {(data) =>
              data.posts.length === 0 ? (
                <Empty text={t('posts.empty')} />
              ) : (
                <ul class="posts">
                  {data.posts.map((post) => (
                    <PostItem key={post.id} post={post} query={q ?? ''} />
                  ))}
                </ul>
              )
            }
          </QueryView>
        </Panel>
      </div>
    </main>
  );
}
