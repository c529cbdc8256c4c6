// SPDX-License-Identifier: Apache-2.0
// Language and theme: what the browser prefers until the person chooses, then that.

import { translate, type Language, type MessageId, type MessageValues } from './i18n/messages';
import { Store, useStore } from './store';

export type Theme = 'light' | 'dark';

export interface Preferences {
  lang: Language;
  theme: Theme;
}

const kLangKey = 'tidewatch.lang';
const kThemeKey = 'tidewatch.theme';

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

export const preferences = new Store<Preferences>({ lang: 'en', theme: 'light' });

function apply({ lang, theme }: Preferences): void {
  const root = document.documentElement;
  root.lang = lang === 'zh' ? 'zh-CN' : 'en';
  root.dataset['theme'] = theme;
}

/** Call once, before the first render. */
export function start_preferences(): void {
  const system = window.matchMedia('(prefers-color-scheme: dark)');
  const theme = (): Theme => {
    const stored = read(kThemeKey);
    if (stored === 'light' || stored === 'dark') return stored;
    return system.matches ? 'dark' : 'light';
  };
  preferences.subscribe(() => apply(preferences.get()));
  preferences.set({ lang: pick_language(read(kLangKey), navigator.language), theme: theme() });
  apply(preferences.get());
  system.addEventListener('change', () =>
    preferences.set({ ...preferences.get(), theme: theme() }),
  );
}

export function set_language(lang: Language): void {
  write(kLangKey, lang);
  preferences.set({ ...preferences.get(), lang });
}

export function set_theme(theme: Theme): void {
  write(kThemeKey, theme);
  preferences.set({ ...preferences.get(), theme });
}

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
