// SPDX-License-Identifier: Apache-2.0
// How what was found is spread: each value with its share; choosing one narrows the search.

import type { Facet, Summary } from '../api/types';
import { format_count, format_share } from '../format';
import { emotion_name, region_name, topic_name } from '../i18n/names';
import { use_words } from '../preferences';
import type { Field, Fields } from '../search_fields';

interface FacetListProps {
  title: string;
  field: Field;
  values: readonly Facet[];
  total: number;
  chosen: string;
  name: (value: string) => string;
  choose: (field: Field, value: string) => void;
}

const kShown = 8;

function FacetList({ title, field, values, total, chosen, name, choose }: FacetListProps) {
  const { lang } = use_words();
  const ordered = [...values].sort((a, b) => b.posts - a.posts);
  const shown = ordered.filter((v, i) => i < kShown || v.name === chosen);
  if (shown.length === 0) return null;
  return (
    <section class="facet" data-facet={field}>
      <h2>{title}</h2>
      <ul>
        {shown.map((v) => (
          <li key={v.name}>
            <button
              type="button"
              aria-pressed={v.name === chosen}
              title={format_share(v.posts / Math.max(1, total))}
              onClick={() => choose(field, v.name)}
            >
              <span class={field === 'emotion' ? `facet-name emotion-${v.name}` : 'facet-name'}>
                {field === 'emotion' && <i class="dot" />}
                {name(v.name)}
              </span>
              <span class="facet-count">{format_count(lang, v.posts)}</span>
              <i class="facet-bar" style={{ width: `${Math.min(100, (v.posts / Math.max(1, total)) * 100)}%` }} />
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

interface FacetsProps {
  summary: Summary;
  fields: Fields;
  choose: (field: Field, value: string) => void;
}

export function Facets({ summary, fields, choose }: FacetsProps) {
  const { lang, t } = use_words();
  const list = (field: Field, values: readonly Facet[], name: (v: string) => string) => (
    <FacetList
      title={t(`search.${field as 'topic'}`)}
      field={field}
      values={values}
      total={summary.posts}
      chosen={fields[field]}
      name={name}
      choose={choose}
    />
  );
  return (
    <>
      {list('topic', summary.topics, (v) => topic_name(lang, v))}
      {list('emotion', summary.emotions, (v) => emotion_name(lang, v))}
      {list('region', summary.regions, (v) => region_name(lang, v))}
      {list('source', summary.sources, (v) => v || '–')}
      {list('author', summary.authors, (v) => v || '–')}
    </>
  );
}
