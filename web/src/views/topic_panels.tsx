// SPDX-License-Identifier: Apache-2.0
// What stands beside the curves of a topic: where, in what words, by whom, and how it spreads.

import { useMemo, useState } from 'preact/hooks';

import type { Alert, Post, Summary } from '../api/types';
import { Cascade } from '../charts/cascade';
import { Histogram } from '../charts/histogram';
import { by_province } from '../charts/provinces';
import { MapLegend, TileMap, type MapMeasure } from '../charts/tile_map';
import { Choice, Empty, Panel } from '../components/states';
import { format_count } from '../format';
import { use_words } from '../preferences';
import { copies_of, largest_cascade, top_terms } from '../post_shape';
import { parse_key, route_hash } from '../router';
import { buckets_of, is_negative } from '../topic_keys';

/** Facets of posts that were loaded, where the engine has no summary. */
function count_by(posts: readonly Post[], pick: (p: Post) => string): { name: string; posts: number }[] {
  const counts = new Map<string, number>();
  for (const post of posts) counts.set(pick(post), (counts.get(pick(post)) ?? 0) + 1);
  return [...counts].map(([name, n]) => ({ name, posts: n }));
}

const region_of = (p: Post) => p.region ?? 'unknown';

interface MapPanelProps {
  topic_key: string;
  summary: Summary | null;
  negative: Summary | null;
  posts: readonly Post[];
  query: string;
}

export function MapPanel({ topic_key, summary, negative, posts, query }: MapPanelProps) {
  const { lang, t } = use_words();
  const [measure, set_measure] = useState<MapMeasure>('posts');
  const { provinces, elsewhere } = useMemo(() => {
    if (summary) return by_province(summary.regions, negative?.regions ?? null);
    const bad = posts.filter(is_negative);
    return by_province(count_by(posts, region_of), count_by(bad, region_of));
  }, [summary, negative, posts]);
  const parts = parse_key(topic_key);
  const link = (province: string) =>
    parts.kind === 'topic'
      ? route_hash('topic', `${parts.topic}@${province}`)
      : route_hash('search', '', { q: query, region: province });
  return (
    <Panel
      title={t('map.title')}
      hint={summary ? undefined : t('topic.sample', { count: posts.length })}
      class="panel-map"
      tools={
        <Choice
          label={t('map.measure')}
          value={measure}
          options={[['posts', t('map.posts')], ['negative', t('map.negative')]]}
          choose={set_measure}
        />
      }
    >
      <TileMap
        provinces={provinces}
        measure={measure}
        chosen={parts.kind === 'topic' ? (parts.region.split(' ')[0] ?? '') : ''}
        link={link}
      />
      <MapLegend measure={measure} />
      {elsewhere > 0 && <p class="hint">{t('map.elsewhere', { count: format_count(lang, elsewhere) })}</p>}
    </Panel>
  );
}

interface FoundCourseProps {
  alerts: readonly Alert[];
  summary: Summary | null;
  posts: readonly Post[];
  from_ms: number;
  until_ms: number;
}

/** of a course, in which it is drawn */
export const kParts = 72;

/** For copied texts and emergent terms, which are found rather than counted: what a search finds. */
export function FoundCourse({ alerts, summary, posts, from_ms, until_ms }: FoundCourseProps) {
  const { lang, t } = use_words();
  const sample = useMemo(
    () => buckets_of(posts, Math.floor(from_ms / 1000), Math.floor(until_ms / 1000), kParts),
    [posts, Math.round((until_ms - from_ms) / 60_000)],
  );
  const { buckets, seconds } = summary ? { buckets: summary.histogram, seconds: summary.bucket_seconds } : sample;
  const count = format_count(lang, summary?.posts ?? posts.length);
  const marks = alerts.map((a) => ({
    from_ms: Date.parse(a.onset_at),
    to_ms: Date.parse(a.closed_at ?? a.updated_at),
    label: a.id,
  }));
  if (buckets.every((b) => b.posts === 0)) return <Empty text={t('topic.no_points')} />;
  return (
    <>
      <p class="hint">{t(summary ? 'topic.found' : 'topic.sample', { count })}</p>
      <Histogram buckets={buckets} bucket_seconds={seconds} summary={t('search.histogram', { count })} marks={marks} height={180} />
    </>
  );
}

interface BarListProps {
  rows: readonly { name: string; value: number; href: string; note?: string }[];
  label: string;
}

function BarList({ rows, label }: BarListProps) {
  const { lang } = use_words();
  const top = Math.max(1, ...rows.map((r) => r.value));
  return (
    <ol class="bar-list" aria-label={label}>
      {rows.map((row) => (
        <li key={row.name}>
          <a href={row.href}>{row.name}</a>
          <span class="bar-value">
            {row.note && <small>{row.note} </small>}
            {format_count(lang, row.value)}
          </span>
          <i class="facet-bar" style={{ width: `${(row.value / top) * 100}%` }} />
        </li>
      ))}
    </ol>
  );
}

export function TermsPanel({ alerts, posts }: { alerts: readonly Alert[]; posts: readonly Post[] }) {
  const { t } = use_words();
  const terms = useMemo(() => top_terms(posts, 14), [posts]);
  const told = [...new Set(alerts.flatMap((a) => a.terms))].slice(0, 12);
  return (
    <Panel title={t('topic.terms')} hint={t('topic.sample', { count: posts.length })} class="panel-terms">
      {told.length > 0 && (
        <ul class="terms" aria-label={t('alert.terms')}>
          {told.map((term) => (
            <li key={term}>
              <a href={route_hash('search', '', { q: term })}>{term}</a>
            </li>
          ))}
        </ul>
      )}
      {terms.length === 0 && told.length === 0 && <Empty text={t('topic.terms.none')} />}
      <BarList
        label={t('topic.terms')}
        rows={terms.map(({ term, texts }) => ({ name: term, value: texts, href: route_hash('search', '', { q: term }) }))}
      />
    </Panel>
  );
}

export function AccountsPanel({ alerts, summary, posts }: { alerts: readonly Alert[]; summary: Summary | null; posts: readonly Post[] }) {
  const { lang, t } = use_words();
  const reposted = new Map(alerts.flatMap((a) => (a.accounts ?? []).map((x) => [x.author, x.reposted] as const)));
  const authors = (summary?.authors ?? count_by(posts, (p) => p.author ?? '')).filter((a) => a.name !== '');
  const known = new Set(authors.map((a) => a.name));
  const of_alerts = alerts
    .flatMap((a) => a.accounts ?? [])
    .filter((a) => !known.has(a.author))
    .map((a) => ({ name: a.author, posts: a.posts }));
  const rows = [...authors, ...of_alerts].sort((a, b) => b.posts - a.posts).slice(0, 10);
  return (
    <Panel title={t('topic.accounts')} class="panel-accounts">
      {rows.length === 0 && <Empty text={t('topic.accounts.none')} />}
      <BarList
        label={t('topic.accounts')}
        rows={rows.map((a) => {
          const times = reposted.get(a.name) ?? 0;
          return {
            name: a.name,
            value: a.posts,
            href: route_hash('search', '', { author: a.name }),
            ...(times > 0 ? { note: t('topic.reposted', { count: format_count(lang, times) }) } : {}),
          };
        })}
      />
    </Panel>
  );
}

export function CascadePanel({ alerts, posts }: { alerts: readonly Alert[]; posts: readonly Post[] }) {
  const { lang, t } = use_words();
  const root = useMemo(() => largest_cascade(posts), [posts]);
  const told = alerts.find((a) => a.cascade)?.cascade ?? null;
  return (
    <Panel title={t('topic.cascade')} hint={t('topic.sample', { count: posts.length })} class="panel-cascade">
      {told && (
        <p>
          {t('alert.cascade', { posts: format_count(lang, told.posts), depth: told.depth, breadth: told.breadth })}
        </p>
      )}
      {root ? <Cascade root={root} /> : !told && <Empty text={t('topic.cascade.none')} />}
      {root?.post && <p class="quote" lang="zh-CN">{root.post.text}</p>}
    </Panel>
  );
}

export function CopiesPanel({ posts }: { posts: readonly Post[] }) {
  const { lang, t } = use_words();
  const copies = useMemo(() => copies_of(posts, 6), [posts]);
  return (
    <Panel title={t('topic.copies')} hint={t('topic.sample', { count: posts.length })} class="panel-copies">
      {copies.length === 0 && <Empty text={t('topic.copies.none')} />}
      <ul class="copies-list">
        {copies.map((c) => (
          <li key={c.post.id}>
            <p class="quote" lang="zh-CN">{c.post.text}</p>
            <p class="hint">
              {t('topic.copies.count', { posts: format_count(lang, c.posts), authors: format_count(lang, c.authors) })}
              {c.authors < c.posts / 2 && <span class="tag tag-warn">{t('topic.copies.few')}</span>}
            </p>
          </li>
        ))}
      </ul>
    </Panel>
  );
}
