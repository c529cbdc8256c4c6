// SPDX-License-Identifier: Apache-2.0
// How the page looks to this person: what the browser prefers until they choose, then that.

import { translate, type Language, type MessageId, type MessageValues } from './i18n/messages';
import { Store, useStore } from './store';

export type Theme = 'light' | 'dark';
/** ago: "3 minutes ago"; clock: the time of day and the date */
export type Times = 'ago' | 'clock';

export interface Preferences {
  lang: Language;
  /** what is shown now */
  theme: Theme;
  /** what was chosen: `system` follows the machine */
  theme_choice: Theme | 'system';
  times: Times;
  /** who acts on alerts; empty: not said */
  name: string;
}

const kLangKey = 'tidewatch.lang';
const kThemeKey = 'tidewatch.theme';
const kTimesKey = 'tidewatch.times';
const kNameKey = 'tidewatch.name';

function read(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null; // storage may be forbidden: then the choice lasts until the page closes
  }
}

function write(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // As above.
  }
}

/** Chinese for any Chinese, else English. */
export function pick_language(stored: string | null, preferred: string): Language {
  if (stored === 'zh' || stored === 'en') return stored;
  return preferred.toLowerCase().startsWith('zh') ? 'zh' : 'en';
}

export const preferences = new Store<Preferences>({
  lang: 'en',
  theme: 'light',
  theme_choice: 'system',
  times: 'ago',
  name: '',
});

function apply({ lang, theme }: Preferences): void {
  const root = document.documentElement;
  root.lang = lang === 'zh' ? 'zh-CN' : 'en';
  root.dataset['theme'] = theme;
}

/** Call once, before the first render. */
export function start_preferences(): void {
  const system = window.matchMedia('(prefers-color-scheme: dark)');
  const stored = read(kThemeKey);
  const theme_choice = stored === 'light' || stored === 'dark' ? stored : 'system';
  preferences.subscribe(() => apply(preferences.get()));
  preferences.set({
    lang: pick_language(read(kLangKey), navigator.language),
    theme: shown_theme(theme_choice),
    theme_choice,
    times: read(kTimesKey) === 'clock' ? 'clock' : 'ago',
    name: read(kNameKey) ?? '',
  });
  apply(preferences.get());
  system.addEventListener('change', () => {
    const now = preferences.get();
    preferences.set({ ...now, theme: shown_theme(now.theme_choice) });
  });
}

function shown_theme(choice: Preferences['theme_choice']): Theme {
  if (choice !== 'system') return choice;
  return window.matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
}

export function set_language(lang: Language): void {
  write(kLangKey, lang);
  preferences.set({ ...preferences.get(), lang });
}

export function set_theme(theme_choice: Preferences['theme_choice']): void {
  write(kThemeKey, theme_choice);
  preferences.set({ ...preferences.get(), theme_choice, theme: shown_theme(theme_choice) });
}

export function set_times(times: Times): void {
  write(kTimesKey, times);
  preferences.set({ ...preferences.get(), times });
}

export function set_name(name: string): void {
  write(kNameKey, name);
  preferences.set({ ...preferences.get(), name });
}

const kTourKey = 'tidewatch.tour';
export const tour_was_seen = () => read(kTourKey) !== null;
export const remember_tour = () => write(kTourKey, 'seen');

const whole = (p: Preferences) => p;
const lang_of = (p: Preferences) => p.lang;

export function use_preferences(): Preferences {
  return useStore(preferences, whole);
}

export interface Words {
  lang: Language;
  t: (id: MessageId, values?: MessageValues) => string;
}

/** The page's words in the language of now. */
export function use_words(): Words {
  const lang = useStore(preferences, lang_of);
  return { lang, t: (id, values) => translate(lang, id, values) };
}
