// SPDX-License-Identifier: Apache-2.0
// Numbers and times for people. Pure: the language, the time zone and now are passed in.

import type { Language } from './i18n/messages';

const kLocale: Record<Language, string> = { zh: 'zh-CN', en: 'en-GB' };
const kNumberLocale: Record<Language, string> = { zh: 'zh-CN', en: 'en-US' };
export const kNothing = '–';

const numbers = new Map<string, Intl.NumberFormat>();
function number_format(lang: Language, digits: number, compact: boolean): Intl.NumberFormat {
  const id = `${lang} ${digits} ${compact}`;
  let format = numbers.get(id);
  if (!format) {
    format = new Intl.NumberFormat(kNumberLocale[lang], {
      maximumFractionDigits: digits,
      minimumFractionDigits: compact ? 0 : digits,
      ...(compact ? { notation: 'compact' as const } : {}),
    });
    numbers.set(id, format);
  }
  return format;
}

/** A whole number with separators; from 100,000 in short (12万, 120K). */
export function format_count(lang: Language, value: number): string {
  if (!Number.isFinite(value)) return kNothing;
  if (Math.abs(value) >= 100_000) return number_format(lang, 1, true).format(value);
  return number_format(lang, 0, false).format(Math.round(value));
}

/** A rate with as many digits as its size deserves: 0.25, 3.1, 42.5, 42. */
export function format_rate(lang: Language, value: number): string {
  if (!Number.isFinite(value)) return kNothing;
  const size = Math.abs(value);
  if (size >= 99.95) return format_count(lang, value);
  const digits = Number.isInteger(value) ? 0 : size >= 0.995 ? 1 : 2;
  return number_format(lang, digits, false).format(value);
}

/** Milliseconds: 0.42, 3.1, 12, 120. */
export function format_ms(lang: Language, value: number): string {
  if (!Number.isFinite(value)) return kNothing;
  const size = Math.abs(value);
  return number_format(lang, size === 0 || size >= 9.95 ? 0 : size >= 0.95 ? 1 : 2, false).format(value);
}

/** A share from 0 to 1 as a whole percentage; a trace is "<1%", not 0%. */
export function format_share(share: number): string {
  if (!Number.isFinite(share)) return kNothing;
  const percent = share * 100;
  if (percent > 0 && percent < 0.5) return '<1%';
  return `${Math.round(percent)}%`;
}

/** How many times more; nothing where there was next to nothing before. */
export function format_times(lang: Language, from: number, to: number): string | null {
  if (!(from >= 0.2) || !Number.isFinite(to)) return null;
  const times = to / from;
  return number_format(lang, times >= 9.95 ? 0 : 1, false).format(times);
}

const kDayMs = 86_400_000;

/** The clock time; with the date when it is not today. */
export function format_time(lang: Language, time: string, now_ms: number, zone?: string): string {
  const ms = Date.parse(time);
  if (Number.isNaN(ms)) return kNothing;
  const day = day_of(ms, zone);
  const today = day_of(now_ms, zone);
  const options: Intl.DateTimeFormatOptions = { hour: '2-digit', minute: '2-digit', hour12: false };
  if (day === today) options.second = '2-digit';
  if (day !== today) {
    options.month = lang === 'zh' ? 'numeric' : 'short';
    options.day = 'numeric';
  }
  if (day.slice(0, 4) !== today.slice(0, 4)) options.year = 'numeric';
  if (zone) options.timeZone = zone;
  return new Intl.DateTimeFormat(kLocale[lang], options).format(ms);
}

function day_of(ms: number, zone?: string): string {
  return new Intl.DateTimeFormat('sv-SE', zone ? { timeZone: zone } : {}).format(ms);
}

/** "3 minutes ago" within a day, the date and time beyond. */
export function format_ago(lang: Language, time: string, now_ms: number, zone?: string): string {
  const ms = Date.parse(time);
  if (Number.isNaN(ms)) return kNothing;
  const age = now_ms - ms;
  if (age < -60_000 || age >= kDayMs) return format_time(lang, time, now_ms, zone);
  const seconds = Math.max(0, Math.round(age / 1000));
  if (seconds < 5) return lang === 'zh' ? '刚刚' : 'just now';
  const [value, zh, en] = span(seconds);
  return lang === 'zh' ? `${value} ${zh}前` : `${value} ${en} ago`;
}

/** How long it lasted, in its two largest units. */
export function format_duration(lang: Language, ms: number): string {
  if (!Number.isFinite(ms)) return kNothing;
  const seconds = Math.max(0, Math.round(ms / 1000));
  const zh = ['天', '小时', '分', '秒'];
  const en = ['d', 'h', 'min', 's'];
  const parts = [
    Math.floor(seconds / 86400),
    Math.floor(seconds / 3600) % 24,
    Math.floor(seconds / 60) % 60,
    seconds % 60,
  ];
  let first = parts.findIndex((v) => v > 0);
  if (first < 0) first = 3;
  const names = lang === 'zh' ? zh : en;
  return parts
    .map((v, i) => ({ v, i }))
    .filter(({ v, i }) => i >= first && i <= first + 1 && (v > 0 || i === first))
    .map(({ v, i }) => `${v} ${names[i]}`)
    .join(' ');
}

function span(seconds: number): [number, string, string] {
  if (seconds < 60) return [seconds, '秒', 's'];
  if (seconds < 3600) return [Math.round(seconds / 60), '分钟', 'min'];
  return [Math.round(seconds / 3600), '小时', 'h'];
}

/** The hour and minute of a chart's axis, with seconds when it spans minutes only. */
export function format_axis_time(lang: Language, second: number, with_seconds: boolean): string {
  return new Intl.DateTimeFormat(kLocale[lang], {
    hour: '2-digit',
    minute: '2-digit',
    hour12: false,
    ...(with_seconds ? { second: '2-digit' as const } : {}),
  }).format(second * 1000);
}

export interface TextPart {
  text: string;
  /** text as it is, a #hashtag#, or a word that was searched for */
  kind: 'plain' | 'hashtag' | 'hit';
}

/** Cuts a post's text into parts: hashtags, the words of `query`, and the rest. Joined, the parts
 * give the text back. */
export function text_parts(text: string, query: string): TextPart[] {
  const parts: TextPart[] = [];
  let at = 0;
  for (const match of text.matchAll(/#[^#\s]{1,40}#/gu)) {
    push_hits(parts, text.slice(at, match.index), query);
    parts.push({ text: match[0], kind: 'hashtag' });
    at = match.index + match[0].length;
  }
  push_hits(parts, text.slice(at), query);
  return parts;
}

function push_hits(parts: TextPart[], text: string, query: string): void {
  const words = query.split(/[\s"']+/).filter((w) => w !== '');
  let at = 0;
  if (words.length > 0) {
    const longest_first = [...words].sort((a, b) => b.length - a.length);
    const pattern = longest_first.map((w) => w.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|');
    for (const match of text.matchAll(new RegExp(pattern, 'giu'))) {
      if (match.index > at) parts.push({ text: text.slice(at, match.index), kind: 'plain' });
      parts.push({ text: match[0], kind: 'hit' });
      at = match.index + match[0].length;
    }
  }
  if (at < text.length) parts.push({ text: text.slice(at), kind: 'plain' });
}

/** The link of a post if it is one to follow: http or https only. */
export function safe_link(url: string | null): string | null {
  if (url === null) return null;
  try {
    const parsed = new URL(url);
    return parsed.protocol === 'https:' || parsed.protocol === 'http:' ? parsed.href : null;
  } catch {
    return null;
  }
}

/** A size: 12 kB, 3.4 MB, 1.2 GB. */
export function format_bytes(lang: Language, bytes: number): string {
  if (!Number.isFinite(bytes)) return kNothing;
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let size = Math.max(0, bytes);
  let unit = 0;
  while (size >= 1000 && unit < units.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return `${number_format(lang, unit === 0 || size >= 99.5 ? 0 : 1, false).format(size)} ${units[unit]}`;
}
