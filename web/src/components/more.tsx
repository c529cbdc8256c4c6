// SPDX-License-Identifier: Apache-2.0
import { use_words } from '../preferences';
import type { Pages } from '../pages';
import { error_text } from './states';

/** The end of a list: a button for the next page, or word that there is none. */
export function More<T>({ pages }: { pages: Pages<T> }) {
  const { t } = use_words();
  if (pages.items.length === 0 && pages.more === null) return null;
  if (pages.more === null) return <p class="hint list-end">{t('search.end')}</p>;
  return (
    <div class="list-end">
      <button type="button" class="button" disabled={pages.loading_more} onClick={pages.more}>
        {t(pages.loading_more ? 'state.loading_more' : 'state.more')}
      </button>
      {pages.more_error && (
        <span class="problem" role="alert">
          {error_text(t, pages.more_error)}
        </span>
      )}
    </div>
  );
}
