// SPDX-License-Identifier: Apache-2.0
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';

import { format_axis_time } from '../format';
import { use_preferences } from '../preferences';
import { stack, type Aligned } from '../series';
import { css_value, with_alpha } from './theme';

export interface Line {
  label: string;
  /** a CSS custom property, `--emotion-angry` */
  color: string;
  /** fill down to zero (or, stacked, to the layer below) */
  fill?: boolean;
  dash?: boolean;
  width?: number;
}

/** A moment at which the course changed, in Unix seconds. */
export interface ChangePoint {
  at: number;
  label: string;
}

/** What is expected between two moments: a level and an interval around it. */
export interface ForecastBand {
  from: number;
  to: number;
  low: number;
  expected: number;
  high: number;
}

export interface TimeChartProps {
  data: Aligned;
  lines: Line[];
  /** what a reader who cannot see the picture is told */
  summary: string;
  format: (value: number) => string;
  height?: number;
  /** draws each line on top of the ones before it */
  stacked?: boolean;
  /** a horizontal line that the data is measured against */
  mark?: { value: number; label: string };
  /** the least upper end of the value axis */
  top_min?: number;
  /** the greatest upper end; a share ends at 1 */
  top_max?: number;
  /** charts of one group show the same moment under the cursor */
  group?: string;
  /** shaded: from, to in Unix seconds */
  span?: [number, number];
  changes?: readonly ChangePoint[];
  /** drawn beyond the data, into the part of the future that a quarter of the width holds */
  forecast?: ForecastBand;
}

/** A line or stacked chart over time. Rebuilds when its form changes, redraws when its data does.
 * The canvas is a picture with `summary` as its text; the tooltip is for pointers only. */
export function TimeChart(props: TimeChartProps) {
  const { lang, theme } = use_preferences();
  const host = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | null>(null);
  const latest = useRef(props);
  latest.current = props;

  const form = JSON.stringify([
    props.lines, props.height, props.stacked, props.mark, props.group, props.span, props.changes, props.forecast, lang, theme,
  ]);

  useEffect(() => {
    const element = host.current;
    if (!element) return;
    const plot = new uPlot(
      make_options(latest, lang, element.clientWidth || 300),
      plot_data(latest.current),
      element,
    );
    chart.current = plot;
    const observer = new ResizeObserver(() => {
      const width = element.clientWidth;
      if (width > 0 && width !== plot.width) plot.setSize({ width, height: plot.height });
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      plot.destroy();
      chart.current = null;
    };
  }, [form]);

  useEffect(() => {
    chart.current?.setData(plot_data(latest.current));
  }, [props.data]);

  return <div class="chart" ref={host} role="img" aria-label={props.summary} />;
}

function plot_data(props: TimeChartProps): uPlot.AlignedData {
  const { seconds, lines } = props.data;
  return [seconds, ...(props.stacked ? stack(lines) : lines)] as uPlot.AlignedData;
}

type Latest = { readonly current: TimeChartProps };

function make_options(latest: Latest, lang: 'zh' | 'en', width: number): uPlot.Options {
  const props = latest.current;
  const muted = css_value('--muted');
  const grid = { stroke: css_value('--line'), width: 1 };
  const font = `11px ${css_value('--sans')}`;
  return {
    width,
    height: props.height ?? 140,
    padding: [10, 26, 0, 0],
    legend: { show: false },
    cursor: {
      drag: { x: false, y: false },
      points: { size: 6 },
      ...(props.group ? { sync: { key: props.group } } : {}),
    },
    scales: {
      x: { time: true, range: (_, min, max) => [min, right_end(latest.current, min, max)] },
      y: { range: (_, __, max) => [0, upper_end(latest.current, max)] },
    },
    axes: [
      {
        stroke: muted,
        grid: { show: false },
        ticks: { ...grid, size: 4 },
        font,
        size: 26,
        space: 70,
        values: (_, ticks, __, ___, step) =>
          ticks.map((t) => format_axis_time(lang, t, step < 60)),
      },
      {
        stroke: muted,
        grid,
        ticks: { show: false },
        font,
        size: 44,
        space: 32,
        values: (_, ticks) => ticks.map((t) => latest.current.format(t)),
      },
    ],
    series: [{}, ...props.lines.map((line) => make_series(line, props.stacked === true))],
    ...(props.stacked
      ? { bands: props.lines.slice(1).map((_, i) => ({ series: [i + 2, i + 1] as [number, number] })) }
      : {}),
    plugins: [marks_plugin(latest), tooltip_plugin(latest, lang)],
  };
}

/** The last second shown: of the data, of a change just noticed, or of as much of the forecast as
 * fits. */
function right_end(props: TimeChartProps, min: number, max: number): number {
  const most = max + (max - min) / 3;
  const wanted = [props.forecast?.to ?? max, ...(props.changes ?? []).map((c) => c.at)];
  return Math.max(max, Math.min(most, Math.max(...wanted)));
}

function upper_end(props: TimeChartProps, max: number | null): number {
  // A wide interval may leave the picture; what is expected may not.
  const expected = props.forecast ? Math.min(props.forecast.high, props.forecast.expected * 1.6) : 0;
  const top = Math.max(props.top_min ?? 0, (max ?? 0) * 1.08, expected * 1.05, 1e-9);
  return Math.min(props.top_max ?? Infinity, top);
}

function make_series(line: Line, stacked: boolean): uPlot.Series {
  const color = css_value(line.color);
  return {
    label: line.label,
    stroke: color,
    width: line.width ?? (stacked ? 1 : 1.75),
    points: { show: false },
    spanGaps: false,
    ...(line.dash ? { dash: [5, 4] } : {}),
    ...(line.fill || stacked ? { fill: with_alpha(color, stacked ? 0.72 : 0.12) } : {}),
  };
}

/** Draws the shaded span behind the lines and the mark with its label above them. */
function marks_plugin(latest: Latest): uPlot.Plugin {
  const draw_span = (u: uPlot) => {
    const span = latest.current.span;
    if (!span) return;
    const { left, top, width, height } = u.bbox;
    const from = Math.max(left, u.valToPos(span[0], 'x', true));
    const to = Math.min(left + width, u.valToPos(span[1], 'x', true));
    if (!(to > from)) return;
    u.ctx.fillStyle = with_alpha(css_value('--danger'), 0.1);
    u.ctx.fillRect(from, top, to - from, height);
  };
  const draw_mark = (u: uPlot) => {
    const mark = latest.current.mark;
    if (!mark) return;
    const y = u.valToPos(mark.value, 'y', true);
    const { left, top, width } = u.bbox;
    if (y < top) return;
    const ratio = uPlot.pxRatio;
    u.ctx.save();
    u.ctx.strokeStyle = css_value('--muted');
    u.ctx.lineWidth = ratio;
    u.ctx.setLineDash([3 * ratio, 3 * ratio]);
    u.ctx.beginPath();
    u.ctx.moveTo(left, y);
    u.ctx.lineTo(left + width, y);
    u.ctx.stroke();
    u.ctx.fillStyle = css_value('--muted');
    u.ctx.font = `${11 * ratio}px ${css_value('--sans')}`;
    u.ctx.textAlign = 'left';
    u.ctx.textBaseline = 'bottom';
    u.ctx.fillText(mark.label, left + 4 * ratio, y - 2 * ratio);
    u.ctx.restore();
  };
  return {
    hooks: {
      drawAxes: (u) => {
        draw_span(u);
        draw_forecast(u, latest.current.forecast);
      },
      draw: (u) => {
        draw_mark(u);
        draw_changes(u, latest.current.changes ?? []);
      },
    },
  };
}

function draw_forecast(u: uPlot, forecast: ForecastBand | undefined): void {
  if (!forecast) return;
  const { left, top, width, height } = u.bbox;
  const from = Math.max(left, u.valToPos(forecast.from, 'x', true));
  const to = Math.min(left + width, u.valToPos(forecast.to, 'x', true));
  if (!(to > from)) return;
  const y = (v: number) => Math.min(top + height, Math.max(top, u.valToPos(v, 'y', true)));
  const color = css_value('--forecast');
  u.ctx.save();
  u.ctx.fillStyle = with_alpha(color, 0.18);
  u.ctx.fillRect(from, y(forecast.high), to - from, y(forecast.low) - y(forecast.high));
  u.ctx.strokeStyle = color;
  u.ctx.lineWidth = 2 * uPlot.pxRatio;
  u.ctx.setLineDash([6 * uPlot.pxRatio, 4 * uPlot.pxRatio]);
  u.ctx.beginPath();
  u.ctx.moveTo(from, y(forecast.expected));
  u.ctx.lineTo(to, y(forecast.expected));
  u.ctx.stroke();
  u.ctx.restore();
}

/** A line down the chart with a flag at its top; the word stands on the side that has room. */
function draw_changes(u: uPlot, changes: readonly ChangePoint[]): void {
  const { left, top, width, height } = u.bbox;
  const ratio = uPlot.pxRatio;
  const color = css_value('--danger');
  u.ctx.save();
  u.ctx.font = `600 ${11 * ratio}px ${css_value('--sans')}`;
  u.ctx.textBaseline = 'top';
  u.ctx.textAlign = 'left';
  u.ctx.setLineDash([]);
  let free_from = left; // labels do not lie on one another
  for (const change of changes) {
    const x = u.valToPos(change.at, 'x', true);
    if (x < left || x > left + width) continue;
    u.ctx.strokeStyle = color;
    u.ctx.fillStyle = color;
    u.ctx.lineWidth = 1.5 * ratio;
    u.ctx.beginPath();
    u.ctx.moveTo(x, top);
    u.ctx.lineTo(x, top + height);
    u.ctx.stroke();
    u.ctx.beginPath();
    u.ctx.moveTo(x, top);
    u.ctx.lineTo(x + 7 * ratio, top + 4 * ratio);
    u.ctx.lineTo(x, top + 8 * ratio);
    u.ctx.fill();
    const wide = u.ctx.measureText(change.label).width;
    const start = x + 10 * ratio + wide > left + width ? x - wide - 5 * ratio : x + 10 * ratio;
    if (start < free_from) continue;
    free_from = start + wide + 6 * ratio;
    u.ctx.fillText(change.label, start, top);
  }
  u.ctx.restore();
}

function tooltip_plugin(latest: Latest, lang: 'zh' | 'en'): uPlot.Plugin {
  const box = document.createElement('div');
  box.className = 'chart-tip';
  box.hidden = true;
  box.setAttribute('aria-hidden', 'true');
  const fill = (index: number) => {
    const { data, lines, format, stacked } = latest.current;
    const second = data.seconds[index];
    if (second === undefined) return false;
    const head = document.createElement('b');
    head.textContent = format_axis_time(lang, second, true);
    const rows = lines.map((line, i) => {
      const row = document.createElement('div');
      const dot = document.createElement('i');
      dot.style.background = css_value(line.color);
      const name = document.createElement('span');
      name.textContent = line.label;
      const value = document.createElement('em');
      const v = data.lines[i]?.[index];
      value.textContent = v === null || v === undefined ? '–' : format(v);
      row.append(dot, name, value);
      return row;
    });
    if (stacked) rows.reverse(); // as the layers lie
    box.replaceChildren(head, ...rows);
    return true;
  };
  return {
    hooks: {
      init: (u) => void u.over.appendChild(box),
      setCursor: (u) => {
        const { left, top, idx } = u.cursor;
        const shown = left !== undefined && left >= 0 && idx !== null && idx !== undefined;
        // A chart that only follows its group shows the line, not a second box.
        const own = shown && u.over.matches(':hover') && fill(idx);
        box.hidden = !own;
        if (!own) return;
        const right = left > u.over.clientWidth / 2;
        box.style.left = right ? 'auto' : `${left + 12}px`;
        box.style.right = right ? `${u.over.clientWidth - left + 12}px` : 'auto';
        box.style.top = `${Math.max(0, Math.min(top ?? 0, u.over.clientHeight - 40) - 20)}px`;
      },
    },
  };
}
