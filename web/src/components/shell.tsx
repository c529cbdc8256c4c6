// SPDX-License-Identifier: Apache-2.0
// What can lie over any view: the sheet of shortcuts, the settings, the guided tour.

import { useEffect } from 'preact/hooks';

import { api } from '../api/client';
import type { MessageId } from '../i18n/messages';
import {
  preferences,
  set_language,
  set_name,
  set_theme,
  set_times,
  tour_was_seen,
  use_preferences,
  use_words,
} from '../preferences';
import { go, route_hash } from '../router';
import { kShortcuts, use_keys } from '../shortcuts';
import { Store, useStore } from '../store';
import { Dialog } from './dialog';
import { Choice } from './states';
import { Tour } from './tour';

export type Overlay = 'none' | 'keys' | 'settings' | 'tour';
export const overlay = new Store<Overlay>('none');
const whole = (o: Overlay) => o;
const close = () => overlay.set('none');

function KeySheet() {
  const { t } = use_words();
  const name = (what: MessageId) => t(what);
  return (
    <Dialog title={t('keys.title')} close={close} class="dialog-keys">
      <div class="key-groups">
        {kShortcuts.map(([heading, shortcuts]) => (
          <section key={heading}>
            <h3>{t(heading)}</h3>
            <dl>
              {shortcuts.map((s) => (
                <div key={s.what}>
                  <dt>{name(s.what)}</dt>
                  <dd>
                    {s.keys.map((k) => (
                      <kbd key={k}>{k}</kbd>
                    ))}
                  </dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </Dialog>
  );
}

function Settings() {
  const { t } = use_words();
  const { lang, theme_choice, times, name } = use_preferences();
  return (
    <Dialog title={t('settings.title')} close={close} class="dialog-small">
      <div class="settings">
        <div>
          <span>{t('settings.language')}</span>
          <Choice
            label={t('settings.language')}
            value={lang}
            options={[['zh', '中文'], ['en', 'English']]}
            choose={set_language}
          />
        </div>
        <div>
          <span>{t('settings.theme')}</span>
          <Choice
            label={t('settings.theme')}
            value={theme_choice}
            options={[
              ['system', t('settings.theme.system')],
              ['light', t('settings.theme.light')],
              ['dark', t('settings.theme.dark')],
            ]}
            choose={set_theme}
          />
        </div>
        <div>
          <span>{t('settings.times')}</span>
          <Choice
            label={t('settings.times')}
            value={times}
            options={[['ago', t('settings.times.ago')], ['clock', t('settings.times.clock')]]}
            choose={set_times}
          />
        </div>
        <label>
          <span>{t('settings.name')}</span>
          <input
            value={name}
            maxLength={60}
            placeholder={t('settings.name.hint')}
            onInput={(e) => set_name(e.currentTarget.value)}
          />
        </label>
      </div>
      <footer class="dialog-foot">
        <button type="button" class="button" onClick={() => overlay.set('keys')}>
          {t('keys.title')}
        </button>
        <button type="button" class="button" onClick={() => overlay.set('tour')}>
          {t('tour.again')}
        </button>
      </footer>
    </Dialog>
  );
}

/** The tour opens by itself once, where the posts are made up and nobody waits for the desk. */
function use_first_visit(): void {
  useEffect(() => {
    if (tour_was_seen()) return;
    const stop = new AbortController();
    void api
      .system(stop.signal)
      .then((system) => system.demo && overlay.get() === 'none' && overlay.set('tour'))
      .catch(() => undefined); // an older engine, or none: no tour
    return () => stop.abort();
  }, []);
}

function focus_search(): void {
  const field = document.getElementById('search-q');
  if (field) field.focus();
  else go(route_hash('search'));
}

function toggle_times(): void {
  set_times(preferences.get().times === 'ago' ? 'clock' : 'ago');
}

export function Shell() {
  const shown = useStore(overlay, whole);
  use_first_visit();
  use_keys({
    '?': () => overlay.set('keys'),
    ',': () => overlay.set('settings'),
    '.': toggle_times,
    l: () => set_language(preferences.get().lang === 'zh' ? 'en' : 'zh'),
    t: () => set_theme(preferences.get().theme === 'dark' ? 'light' : 'dark'),
    '/': focus_search,
    'g n': () => go(route_hash('now')),
    'g s': () => go(route_hash('search')),
    'g a': () => go(route_hash('alerts')),
    'g r': () => go(route_hash('rules')),
    'g m': () => go(route_hash('models')),
    'g y': () => go(route_hash('system')),
  });
  switch (shown) {
    case 'keys':
      return <KeySheet />;
    case 'settings':
      return <Settings />;
    case 'tour':
      return <Tour close={close} />;
    case 'none':
      return null;
  }
}
