// SPDX-License-Identifier: Apache-2.0
// Volume and emotions of one key over time, with what the engine noticed in it.

import { useMemo } from 'preact/hooks';

import type { Alert, Series } from '../api/types';
import { use_now } from '../clock';
import { Empty } from '../components/states';
import { format_count, format_rate } from '../format';
import { emotion_name, kind_name } from '../i18n/names';
import { use_words } from '../preferences';
import { emotion_lines, kEmotions, volume_lines, without_filling_step } from '../series';
import { TimeChart, type ChangePoint, type ForecastBand } from './time_chart';

export interface SeriesChartsProps {
  series: Series;
  name: string;
  /** shaded: from, to in Unix seconds */
  span?: [number, number];
  /** their onsets are marked as change points; the forecast is of the first that has one */
  alerts?: readonly Alert[];
}

/** Where the course changed, in Unix seconds; alerts that began together are one point. */
function change_points(alerts: readonly Alert[], lang: 'zh' | 'en'): ChangePoint[] {
  const points = new Map<number, ChangePoint>();
  for (const alert of alerts) {
    const at = Math.floor(Date.parse(alert.onset_at) / 1000);
    const near = [...points.keys()].find((p) => Math.abs(p - at) < 60);
    if (near === undefined) points.set(at, { at, label: kind_name(lang, alert.kind) });
  }
  return [...points.values()].sort((a, b) => a.at - b.at).slice(-6);
}

function forecast_of(alerts: readonly Alert[]): ForecastBand | undefined {
  const alert = alerts.find((a) => a.closed_at === null && a.forecast);
  if (!alert?.forecast) return undefined;
  const { low, expected, high, at } = alert.forecast;
  return { from: Math.floor(Date.parse(alert.updated_at) / 1000), to: Math.floor(Date.parse(at) / 1000), low, expected, high };
}

export function SeriesCharts({ series, name, span, alerts = [] }: SeriesChartsProps) {
  const { lang, t } = use_words();
  const now = Math.floor(use_now(30_000) / 1000);
  const { volume, emotions } = useMemo(() => {
    const whole = without_filling_step(series, now);
    return { volume: volume_lines(whole), emotions: emotion_lines(whole) };
  }, [series]);
  if (series.points.length === 0) return <Empty text={t('topic.no_points')} />;
  const rate = (v: number) => format_rate(lang, v);
  const total = series.points.reduce((sum, p) => sum + p.posts, 0);
  const peak = Math.max(0, ...series.points.map((p) => p.posts)) * (60 / series.step_seconds);
  const summary = t('topic.summary', { name, total: format_count(lang, total), peak: rate(peak) });
  const first = volume.seconds[0] ?? now;
  const changes = change_points(alerts, lang).filter((c) => c.at >= first - series.step_seconds);
  const forecast = forecast_of(alerts);
  const shared = { ...(span ? { span } : {}), changes };
  return (
    <>
      <div class="chart-head">
        <h3>{t('topic.volume')}</h3>
        <span class="legend-inline">
          <i class="dot line-posts" /> {t('topic.posts')}
          <i class="dot line-authors" /> {t('topic.authors')}
          <i class="dot line-texts" /> {t('topic.texts')}
          {changes.length > 0 && <span><i class="key-change" /> {t('topic.change')}</span>}
          {forecast && <span><i class="key-forecast" /> {t('topic.forecast')}</span>}
        </span>
      </div>
      <TimeChart
        data={volume}
        lines={[
          { label: t('topic.posts'), color: '--accent', fill: true, width: 2 },
          { label: t('topic.authors'), color: '--line-authors' },
          { label: t('topic.texts'), color: '--line-texts', dash: true },
        ]}
        format={rate}
        height={230}
        top_min={4}
        group="topic"
        summary={summary}
        {...shared}
        {...(forecast ? { forecast } : {})}
      />
      <div class="chart-head">
        <h3>{t('topic.emotions')}</h3>
        <span class="legend-inline">
          {kEmotions.map((e) => (
            <span key={e}>
              <i class={`dot emotion-${e}`} /> {emotion_name(lang, e)}
            </span>
          ))}
        </span>
      </div>
      <TimeChart
        data={emotions}
        lines={kEmotions.map((e) => ({ label: emotion_name(lang, e), color: `--emotion-${e}` }))}
        format={rate}
        height={200}
        top_min={4}
        stacked
        group="topic"
        summary={summary}
        {...shared}
      />
    </>
  );
}
