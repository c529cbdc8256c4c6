// SPDX-License-Identifier: Apache-2.0
// Full-text search. Everything that is asked for stands in the address.

import { useEffect, useState } from 'preact/hooks';

import { api, ApiError } from '../api/client';
import type { Post, Summary } from '../api/types';
import { Histogram } from '../charts/histogram';
import { use_now } from '../clock';
import { Facets } from '../components/facets';
import { More } from '../components/more';
import { PostItem } from '../components/post_item';
import { QueryHelp, QueryProblem, use_verdict } from '../components/query_box';
import { Empty, Failed, Loading } from '../components/states';
import { format_count, format_ms, format_time } from '../format';
import { emotion_name, kRegions, kTopics, region_name, topic_name } from '../i18n/names';
import { live } from '../live/connection';
import type { LiveState } from '../live/state';
import { use_words } from '../preferences';
import { use_pages } from '../pages';
import { use_query } from '../query';
import { go, route_hash, type Route } from '../router';
import {
  add_newest,
  fields_of,
  from_local_input,
  rule_of,
  kFields,
  local_input,
  marked_words,
  query_of,
  toggled,
  utc_second,
  type Field,
  type Fields,
} from '../search_fields';
import { kEmotions } from '../series';
import { useStore } from '../store';

const kSinces = ['900', '3600', '86400', '604800'] as const;

/** The known options, and what the address asks for when it is none of them. */
function with_current(options: readonly string[], current: string): readonly string[] {
  return current === '' || options.includes(current) ? options : [...options, current];
}

interface SearchFormProps {
  fields: Fields;
  search: (fields: Fields) => void;
}

function SearchForm({ fields, search }: SearchFormProps) {
  const { lang, t } = use_words();
  const [draft, set_draft] = useState(fields);
  const address = JSON.stringify(fields);
  const [drafted, set_drafted] = useState(address);
  // Here and not in an effect: one would run after the first paint, over what was typed by then.
  if (drafted !== address) {
    set_drafted(address);
    set_draft(fields);
  }
  const verdict = use_verdict(draft.q);
  const wrong = verdict !== null && !verdict.valid;
  const absolute = /\d{4}-/.test(draft.since) || draft.until !== '';

  const change = (changed: Partial<Fields>) => {
    const next = { ...draft, ...changed };
    set_draft(next);
    search(next);
  };
  const select = (field: Field, any: string, options: readonly string[], name: (v: string) => string) => (
    <label>
      <span>{t(`search.${field as 'topic'}`)}</span>
      <select value={draft[field]} name={field} onChange={(e) => change({ [field]: e.currentTarget.value })}>
        <option value="">{any}</option>
        {with_current(options, draft[field]).map((v) => (
          <option key={v} value={v}>
            {name(v)}
          </option>
        ))}
      </select>
    </label>
  );
  const text = (field: 'author' | 'source') => (
    <label>
      <span>{t(`search.${field}`)}</span>
      <input
        name={field}
        autocomplete="off"
        value={draft[field]}
        onInput={(e) => set_draft({ ...draft, [field]: e.currentTarget.value })}
        onChange={(e) => change({ [field]: e.currentTarget.value })}
      />
    </label>
  );
  const moment = (field: 'since' | 'until') => (
    <label>
      <span>{t(`search.${field}.at`)}</span>
      <input
        type="datetime-local"
        name={`${field}-at`}
        value={local_input(draft[field])}
        onChange={(e) => change({ [field]: from_local_input(e.currentTarget.value) })}
      />
    </label>
  );
  const since_name = (v: string) => {
    const known = kSinces.find((s) => s === v);
    return known ? t(`search.last.${known}`) : t('search.between');
  };
  return (
    <form
      class="search-form"
      role="search"
      onSubmit={(e) => {
        e.preventDefault();
        search(draft);
      }}
    >
      <div class="search-words">
        <label class="visually-hidden" for="search-q">
          {t('search.q')}
        </label>
        <input
          id="search-q"
          type="search"
          name="q"
          maxLength={2000}
          autocomplete="off"
          spellcheck={false}
          aria-invalid={wrong}
          aria-describedby={wrong ? 'search-q-problem' : undefined}
          placeholder={t('search.q.placeholder')}
          value={draft.q}
          onInput={(e) => set_draft({ ...draft, q: e.currentTarget.value })}
        />
        <button type="submit" class="button button-main">
          {t('search.go')}
        </button>
      </div>
      <QueryProblem id="search-q-problem" query={draft.q} verdict={verdict} />
      <div class="search-filters">
        {select('topic', t('search.any'), kTopics, (v) => topic_name(lang, v))}
        {select('region', t('search.any'), kRegions, (v) => region_name(lang, v))}
        {select('emotion', t('search.any'), kEmotions, (v) => emotion_name(lang, v))}
        <label>
          <span>{t('search.since')}</span>
          <select
            name="since"
            value={absolute ? 'at' : draft.since}
            onChange={(e) => {
              const value = e.currentTarget.value;
              if (value === 'at') change({ since: utc_second(Date.now() - 3_600_000), until: utc_second(Date.now()) });
              else change({ since: value, until: '' });
            }}
          >
            <option value="">{t('search.any_time')}</option>
            {with_current(kSinces, absolute ? '' : draft.since).map((v) => (
              <option key={v} value={v}>
                {since_name(v)}
              </option>
            ))}
            <option value="at">{t('search.between')}</option>
          </select>
        </label>
        {absolute && moment('since')}
        {absolute && moment('until')}
        {text('author')}
        {text('source')}
        {kFields.some((f) => draft[f] !== '') && (
          <a class="quiet-link" href={route_hash('search')}>
            {t('search.clear')}
          </a>
        )}
      </div>
      <QueryHelp use={(q) => change({ q })} />
    </form>
  );
}

const kTailMs = 2000;
const kTailMax = 200;
const kBuckets = 60;
const connection_of = (s: LiveState) => s.connection.phase;

/** Asks for the newest posts again and again while `on`: exact, unlike the stream's sample, and by
 * the engine's own parser. What came while it ran, newest first. */
function use_tail(key: string, fields: Fields, on: boolean): readonly Post[] {
  const [posts, set_posts] = useState<readonly Post[]>([]);
  const connected = useStore(live, connection_of) === 'open';
  const newest = use_query(
    `tail ${key} ${on}`,
    async (signal) => (on && connected ? (await api.posts({ ...query_of(fields), limit: 50 }, signal)).posts : []),
    on ? kTailMs : 0,
  );
  useEffect(() => set_posts([]), [key, on]);
  useEffect(() => {
    if (newest.data) set_posts((old) => add_newest(old, newest.data ?? [], kTailMax));
  }, [newest.data]);
  return posts;
}

function Found({ summary, shown }: { summary: Summary | null; shown: number }) {
  const { lang, t } = use_words();
  if (!summary) return <>{t('search.found', { count: format_count(lang, shown) })}</>;
  return (
    <>
      {t(summary.exact ? 'search.total' : 'search.total.about', { count: format_count(lang, summary.posts) })}{' '}
      · {t('search.took', { ms: format_ms(lang, summary.took_ms) })}
    </>
  );
}

/** What a search that ran out of time looked at, and what would be faster. */
function Incomplete({ searched_from, query }: { searched_from: string; query: string }) {
  const { lang, t } = use_words();
  const now = use_now(60_000);
  const slow = query !== '' && marked_words(query).length === 0;
  return (
    <p class="stale search-incomplete" role="status">
      {searched_from === '' ? t('search.incomplete') : t('search.incomplete.from', { time: format_time(lang, searched_from, now) })}
      {slow && ` ${t('search.incomplete.slow')}`}
    </p>
  );
}

export function SearchView({ route }: { route: Route }) {
  const { lang, t } = use_words();
  const fields = fields_of(route);
  const key = JSON.stringify(fields);
  const tailing = route.params.get('live') === '1';
  const [lag, set_lag] = useState(0);
  const [searched_from, set_searched_from] = useState<string | null>(null);
  const pages = use_pages(`search ${key}`, async (before: string | number | undefined, signal) => {
    const answer = await api.posts({ ...query_of(fields), limit: 50, ...(before === undefined ? {} : { before }) }, signal);
    set_lag(answer.index_lag_posts ?? 0);
    set_searched_from(answer.complete === false ? (answer.searched_from ?? '') : null);
    return { items: answer.posts, next: answer.next };
  });
  // An engine of before has no summary: then there are no facets, and that is all.
  const summary = use_query(
    `summary ${key}`,
    (signal) => api.summary({ ...query_of(fields), buckets: kBuckets }, signal),
    tailing ? 10_000 : 0,
  );
  const tail = use_tail(key, fields, tailing);
  const verdict = use_verdict(fields.q);

  const address = (next: Fields, live_on: boolean) => route_hash('search', '', { ...next, live: live_on ? '1' : undefined });
  const search = (next: Fields) => go(address(next, tailing));
  const choose = (field: Field, value: string) => search(toggled(fields, field, value));
  const words = marked_words(fields.q).join(' ');
  const items = tailing ? add_newest(pages.items, tail, kTailMax) : pages.items;
  const told = summary.data;
  // The form says so already, and where.
  const asked_wrong = pages.error instanceof ApiError && pages.error.status === 400 && verdict?.valid === false;
  return (
    <main id="content" class="search" tabIndex={-1}>
      <div class="view-head">
        <h1>{t('search.title')}</h1>
        {fields.q !== '' && (
          <a class="button" href={route_hash('rule', '+', { query: rule_of(fields) })} data-action="make-rule">
            {t('topic.make_rule')}
          </a>
        )}
        <button
          type="button"
          class={tailing ? 'button is-on' : 'button'}
          aria-pressed={tailing}
          data-action="tail"
          onClick={() => go(address(fields, !tailing), true)}
        >
          <i class={tailing ? 'pulse-dot is-live' : 'pulse-dot'} aria-hidden="true" />
          {t('search.tail')}
        </button>
      </div>
      <section class="panel search-top" aria-label={t('search.title')}>
        <SearchForm fields={fields} search={search} />
      </section>
      {told && told.posts > 0 && (
        <aside class="panel search-facets" aria-label={t('search.facets')}>
          <details open={window.innerWidth > 900}>
            <summary>{t('search.facets')}</summary>
            <Facets summary={told} fields={fields} choose={choose} />
          </details>
        </aside>
      )}
      <section class="panel search-found" aria-label={t('search.results')}>
        {told && told.histogram.length > 0 && told.posts > 0 && (
          <Histogram
            buckets={told.histogram}
            bucket_seconds={told.bucket_seconds}
            summary={t('search.histogram', { count: format_count(lang, told.posts) })}
            choose={(from, until) => search({ ...fields, since: utc_second(from), until: utc_second(until) })}
          />
        )}
        {lag > 0 && fields.q !== '' && (
          <p class="stale">{t('search.lag', { count: format_count(lang, lag) })}</p>
        )}
        {searched_from !== null && <Incomplete searched_from={searched_from} query={fields.q} />}
        <p class="hint search-count" role="status">
          {!pages.loading && !pages.error && items.length > 0 && <Found summary={told} shown={items.length} />}
        </p>
        {pages.loading && <Loading />}
        {pages.error && !asked_wrong && <Failed error={pages.error} retry={pages.reload} />}
        {!pages.loading && !pages.error && items.length === 0 && (
          <Empty
            text={t(searched_from === null ? 'posts.empty' : 'search.none_yet')}
            {...(searched_from === null ? { hint: t('search.empty.hint') } : {})}
          />
        )}
        <ul class="posts posts-results">
          {items.map((post) => (
            <PostItem key={post.id} post={post} query={words} />
          ))}
        </ul>
        {!tailing && <More pages={pages} />}
      </section>
    </main>
  );
}
