// SPDX-License-Identifier: Apache-2.0
// Bars over time of which a stretch can be chosen by dragging. The same choice can be typed into
// fields beside it, so the picture itself is an image with a summary.

import { useRef, useState } from 'preact/hooks';

import type { Bucket } from '../api/types';
import { format_count, format_time } from '../format';
import { use_now } from '../clock';
import { use_words } from '../preferences';

export interface Mark {
  from_ms: number;
  to_ms: number;
  label: string;
}

interface HistogramProps {
  buckets: readonly Bucket[];
  bucket_seconds: number;
  summary: string;
  /** takes the stretch that was dragged over, in milliseconds */
  choose?: (from_ms: number, until_ms: number) => void;
  /** stretches to point out */
  marks?: readonly Mark[];
  height?: number;
}

const kDragMin = 4; // pixels: less is a click, not a stretch

export function Histogram({ buckets, bucket_seconds, summary, choose, marks = [], height = 84 }: HistogramProps) {
  const { lang } = use_words();
  const now = use_now(60_000);
  const box = useRef<HTMLDivElement>(null);
  const [drag, set_drag] = useState<{ from: number; to: number } | null>(null);
  const [over, set_over] = useState<number | null>(null);
  const first = Date.parse(buckets[0]?.time ?? '');
  const span = buckets.length * bucket_seconds * 1000;
  const top = Math.max(1, ...buckets.map((b) => b.posts));
  const x_of = (ms: number) => Math.min(1, Math.max(0, (ms - first) / span)) * buckets.length;

  const fraction = (e: PointerEvent) => {
    const rect = box.current?.getBoundingClientRect();
    return rect ? Math.min(1, Math.max(0, (e.clientX - rect.left) / rect.width)) : 0;
  };
  const finish = () => {
    const width = box.current?.clientWidth ?? 1;
    if (drag && choose && Math.abs(drag.to - drag.from) * width >= kDragMin) {
      const [a, b] = [Math.min(drag.from, drag.to), Math.max(drag.from, drag.to)];
      // Whole bars: what is under the pointer is meant.
      const from = Math.floor(a * buckets.length);
      const until = Math.ceil(b * buckets.length);
      choose(first + from * bucket_seconds * 1000, first + until * bucket_seconds * 1000);
    }
    set_drag(null);
  };
  const at = over === null ? undefined : buckets[Math.min(buckets.length - 1, Math.floor(over * buckets.length))];
  const shown = drag && [Math.min(drag.from, drag.to), Math.abs(drag.to - drag.from)];
  const time = (ms: number) => format_time(lang, new Date(ms).toISOString(), now);
  return (
    <div class="histogram">
      <div
        ref={box}
        class={choose ? 'histogram-box can-brush' : 'histogram-box'}
        style={{ height: `${height}px` }}
        onPointerDown={(e) => {
          if (!choose || e.button !== 0) return;
          e.currentTarget.setPointerCapture(e.pointerId);
          set_drag({ from: fraction(e), to: fraction(e) });
        }}
        onPointerMove={(e) => {
          set_over(fraction(e));
          if (drag) set_drag({ ...drag, to: fraction(e) });
        }}
        onPointerUp={finish}
        onPointerCancel={() => set_drag(null)}
        onPointerLeave={() => set_over(null)}
      >
        <svg
          viewBox={`0 0 ${Math.max(1, buckets.length)} 100`}
          preserveAspectRatio="none"
          role="img"
          aria-label={summary}
        >
          {marks.map((m) => (
            <rect
              key={m.label + m.from_ms}
              class="histogram-mark"
              x={x_of(m.from_ms)}
              y="0"
              width={Math.max(0.4, x_of(m.to_ms) - x_of(m.from_ms))}
              height="100"
            />
          ))}
          {buckets.map((b, i) => (
            <rect
              key={b.time}
              class="histogram-bar"
              x={i + 0.08}
              y={100 - (b.posts / top) * 100}
              width="0.84"
              height={(b.posts / top) * 100}
            />
          ))}
          {buckets.map((b, i) =>
            b.negative ? (
              <rect
                key={`n${b.time}`}
                class="histogram-negative"
                x={i + 0.08}
                y={100 - (b.negative / top) * 100}
                width="0.84"
                height={(b.negative / top) * 100}
              />
            ) : null,
          )}
        </svg>
        {shown && (
          <i class="histogram-brush" style={{ left: `${shown[0]! * 100}%`, width: `${shown[1]! * 100}%` }} />
        )}
      </div>
      <p class="histogram-axis" aria-hidden="true">
        <span>{Number.isNaN(first) ? '' : time(first)}</span>
        <b>{at ? `${time(Date.parse(at.time))} · ${format_count(lang, at.posts)}` : ''}</b>
        <span>{Number.isNaN(first) ? '' : time(first + span)}</span>
      </p>
    </div>
  );
}
