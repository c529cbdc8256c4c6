// SPDX-License-Identifier: Apache-2.0
// The region map: one tile a province, each a link that says its name and its numbers.

import { format_count, format_share } from '../format';
import { region_name } from '../i18n/names';
import { use_words } from '../preferences';
import { kProvinces, level_of, share_level, type RegionCount } from './provinces';

export type MapMeasure = 'posts' | 'negative';

interface TileMapProps {
  provinces: ReadonlyMap<string, RegionCount>;
  measure: MapMeasure;
  chosen: string;
  link: (province: string) => string;
}

export function TileMap({ provinces, measure, chosen, link }: TileMapProps) {
  const { lang, t } = use_words();
  const greatest = Math.max(0, ...[...provinces.values()].map((c) => c.posts));
  return (
    <ul class={`tile-map measure-${measure}`}>
      {kProvinces.map(([province, code, column, row]) => {
        const count = provinces.get(province);
        const posts = count?.posts ?? 0;
        const share = count && count.negative !== null && posts > 0 ? count.negative / posts : null;
        const level = measure === 'posts' ? level_of(posts, greatest) : share_level(share);
        const name = region_name(lang, province);
        const told = t(share === null ? 'map.tile.posts' : 'map.tile', {
          name,
          posts: format_count(lang, posts),
          share: format_share(share ?? NaN),
        });
        const value = posts === 0 ? '' : measure === 'posts' ? format_count(lang, posts) : share === null ? '' : format_share(share);
        return (
          <li key={province} style={{ gridColumn: column + 1, gridRow: row + 1 }}>
            <a
              href={link(province)}
              class={`tile level-${level}`}
              title={told}
              aria-current={province === chosen ? 'true' : undefined}
              data-province={province}
            >
              <b aria-hidden="true">{lang === 'zh' ? province : code}</b>
              <span aria-hidden="true">{value}</span>
              <span class="visually-hidden">{told}</span>
            </a>
          </li>
        );
      })}
    </ul>
  );
}

/** What the colours mean. */
export function MapLegend({ measure }: { measure: MapMeasure }) {
  const { t } = use_words();
  return (
    <p class={`map-legend measure-${measure}`} aria-hidden="true">
      <span>{t(measure === 'posts' ? 'map.fewer' : 'map.calm')}</span>
      {[0, 1, 2, 3, 4, 5].map((level) => (
        <i key={level} class={`tile level-${level}`} />
      ))}
      <span>{t(measure === 'posts' ? 'map.more' : 'map.tense')}</span>
    </p>
  );
}
