// SPDX-License-Identifier: Apache-2.0
// Reads Prometheus' text format, as far as the System view needs it. Pure.

export interface Sample {
  name: string;
  labels: Readonly<Record<string, string>>;
  value: number;
}

/** The samples of a scrape; lines that are none are passed over. */
export function parse_metrics(text: string): Sample[] {
  const samples: Sample[] = [];
  for (const line of text.split('\n')) {
    const match = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)/.exec(line);
    if (!match || line.startsWith('#')) continue;
    const labels: Record<string, string> = {};
    for (const [, name, value] of (match[2] ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) {
      if (name !== undefined) labels[name] = (value ?? '').replace(/\\(.)/g, (_, c: string) => (c === 'n' ? '\n' : c));
    }
    const value = match[3] === '+Inf' ? Infinity : Number(match[3]);
    if (Number.isNaN(value)) continue;
    samples.push({ name: match[1] ?? '', labels, value });
  }
  return samples;
}

export interface HistogramBar {
  /** upper end, in the histogram's unit; Infinity for the last */
  to: number;
  count: number;
}

/** The bars of one histogram, smallest first: what lies between a bound and the one before. */
export function histogram_of(samples: readonly Sample[], name: string, label: string, value: string): HistogramBar[] {
  const buckets = samples
    .filter((s) => s.name === `${name}_bucket` && s.labels[label] === value)
    .map((s) => ({ to: s.labels['le'] === '+Inf' ? Infinity : Number(s.labels['le']), count: s.value }))
    .sort((a, b) => a.to - b.to);
  return buckets.map((b, i) => ({ to: b.to, count: Math.max(0, b.count - (buckets[i - 1]?.count ?? 0)) }));
}

/** `now` without what was there `before`: what came in between. */
export function bars_since(now: readonly HistogramBar[], before: readonly HistogramBar[]): HistogramBar[] {
  const old = new Map(before.map((b) => [b.to, b.count]));
  return now.map((b) => ({ to: b.to, count: Math.max(0, b.count - (old.get(b.to) ?? 0)) }));
}

/** Without the empty bars at both ends, but for one on each side. */
export function trimmed(bars: readonly HistogramBar[]): HistogramBar[] {
  const first = bars.findIndex((b) => b.count > 0);
  const last = bars.findLastIndex((b) => b.count > 0);
  if (first < 0) return [];
  return bars.slice(Math.max(0, first - 1), last + 2);
}

/** One sample's value; nothing when it is not there. */
export function value_of(samples: readonly Sample[], name: string, labels: Record<string, string> = {}): number | null {
  const found = samples.find((s) => s.name === name && Object.entries(labels).every(([k, v]) => s.labels[k] === v));
  return found ? found.value : null;
}
