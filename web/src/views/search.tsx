// SPDX-License-Identifier: Apache-2.0
import { useEffect, useState } from 'preact/hooks';

import { api, type PostQuery } from '../api/client';
import { More } from '../components/more';
import { PostItem } from '../components/post_item';
import { Empty, Failed, Loading } from '../components/states';
import { format_count } from '../format';
import { emotion_name, kRegions, kTopics, region_name, topic_name } from '../i18n/names';
import { use_words } from '../preferences';
import { use_pages } from '../pages';
import { go, route_hash, type Route } from '../router';
import { kEmotions } from '../series';

const kFields = ['q', 'topic', 'region', 'emotion', 'author', 'since'] as const;
type Field = (typeof kFields)[number];
type Fields = Record<Field, string>;
const kSinces = ['900', '3600', '86400', '604800'] as const;

function fields_of(route: Route): Fields {
  return Object.fromEntries(kFields.map((f) => [f, route.params.get(f) ?? ''])) as Fields;
}

function query_of(fields: Fields): PostQuery {
  const wanted = kFields.filter((f) => fields[f] !== '').map((f) => [f, fields[f]]);
  return Object.fromEntries(wanted) as PostQuery;
}

/** The known options, and what the address asks for when it is none of them. */
function with_current(options: readonly string[], current: string): readonly string[] {
  return current === '' || options.includes(current) ? options : [...options, current];
}

function SearchForm({ fields }: { fields: Fields }) {
  const { lang, t } = use_words();
  const [draft, set_draft] = useState(fields);
  const address = JSON.stringify(fields);
  useEffect(() => set_draft(fields), [address]);

  const search = (next: Fields) => go(route_hash('search', '', next));
  const choose = (field: Field, value: string) => {
    const next = { ...draft, [field]: value };
    set_draft(next);
    search(next);
  };
  const select = (field: Field, any: string, options: readonly string[], name: (v: string) => string) => (
    <label>
      <span>{t(`search.${field}`)}</span>
      <select value={draft[field]} name={field} onChange={(e) => choose(field, e.currentTarget.value)}>
        <option value="">{any}</option>
        {with_current(options, draft[field]).map((v) => (
          <option key={v} value={v}>
            {name(v)}
          </option>
        ))}
      </select>
    </label>
  );
  const since_name = (v: string) => {
    const known = kSinces.find((s) => s === v);
    return known ? t(`search.last.${known}`) : v;
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
          maxLength={200}
          autocomplete="off"
          placeholder={t('search.q.placeholder')}
          value={draft.q}
          onInput={(e) => set_draft({ ...draft, q: e.currentTarget.value })}
        />
        <button type="submit" class="button button-main">
          {t('search.go')}
        </button>
      </div>
      <div class="search-filters">
        {select('topic', t('search.any'), kTopics, (v) => topic_name(lang, v))}
        {select('region', t('search.any'), kRegions, (v) => region_name(lang, v))}
        {select('emotion', t('search.any'), kEmotions, (v) => emotion_name(lang, v))}
        {select('since', t('search.any_time'), kSinces, since_name)}
        <label>
          <span>{t('search.author')}</span>
          <input
            name="author"
            autocomplete="off"
            value={draft.author}
            onInput={(e) => set_draft({ ...draft, author: e.currentTarget.value })}
          />
        </label>
        {Object.values(draft).some((v) => v !== '') && (
          <a class="quiet-link" href={route_hash('search')}>
            {t('search.clear')}
          </a>
        )}
      </div>
    </form>
  );
}

export function SearchView({ route }: { route: Route }) {
  const { lang, t } = use_words();
  const fields = fields_of(route);
  const [lag, set_lag] = useState(0);
  const pages = use_pages(`search ${JSON.stringify(fields)}`, async (before: number | undefined, signal) => {
    const query = query_of(fields);
    const answer = await api.posts(
      { ...query, limit: 50, ...(before === undefined ? {} : { before }) },
      signal,
    );
    set_lag(answer.index_lag_posts);
    return { items: answer.posts, next: answer.next };
  });
  return (
    <main id="content" class="single" tabIndex={-1}>
      <div class="view-head">
        <h1>{t('search.title')}</h1>
      </div>
      <section class="panel" aria-label={t('search.title')}>
        <SearchForm fields={fields} />
        {lag > 0 && fields.q !== '' && (
          <p class="stale">{t('search.lag', { count: format_count(lang, lag) })}</p>
        )}
        <p class="hint" role="status">
          {!pages.loading && !pages.error && pages.items.length > 0 &&
            t('search.found', { count: format_count(lang, pages.items.length) })}
        </p>
        {pages.loading && <Loading />}
        {pages.error && <Failed error={pages.error} retry={pages.reload} />}
        {!pages.loading && !pages.error && pages.items.length === 0 && (
          <Empty text={t('posts.empty')} />
        )}
        <ul class="posts posts-results">
          {pages.items.map((post) => (
            <PostItem key={post.id} post={post} query={fields.q} />
          ))}
        </ul>
        <More pages={pages} />
      </section>
    </main>
  );
}
