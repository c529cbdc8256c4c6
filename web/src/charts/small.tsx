// SPDX-License-Identifier: Apache-2.0
// Pictures small enough to stand in a line of text.

import { emotion_name } from '../i18n/names';
import { format_share } from '../format';
import { emotion_shares, sparkline_points } from '../series';
import { use_words } from '../preferences';

const kWidth = 96;
const kHeight = 26;

export function Sparkline({ values, label, hot }: { values: number[]; label: string; hot: boolean }) {
  const points = sparkline_points(values, kWidth, kHeight);
  const line = points.map(([x, y]) => `${x},${y}`).join(' ');
  const last = points[points.length - 1];
  const first = points[0];
  return (
    <svg
      class={hot ? 'spark spark-hot' : 'spark'}
      viewBox={`0 0 ${kWidth} ${kHeight}`}
      role="img"
      aria-label={label}
    >
      {first && last && (
        <>
          <polygon points={`${first[0]},${kHeight} ${line} ${last[0]},${kHeight}`} />
          <polyline points={line} />
          <circle cx={last[0]} cy={last[1]} r="2" />
        </>
      )}
    </svg>
  );
}

/** A bar cut by emotion. With `legend`, each share stands below it in words. */
export function EmotionBar({ by, legend }: { by: Record<string, number>; legend?: boolean }) {
  const { lang, t } = use_words();
  const shares = [...emotion_shares(by)];
  const told = shares
    .filter(([, share]) => share > 0)
    .sort((a, b) => b[1] - a[1])
    .map(([emotion, share]) => `${emotion_name(lang, emotion)} ${format_share(share)}`);
  let x = 0;
  return (
    <div class="emotions">
      <svg
        class={legend ? 'emotion-bar emotion-bar-tall' : 'emotion-bar'}
        viewBox="0 0 100 10"
        preserveAspectRatio="none"
        role="img"
        aria-label={t('emotions.summary', { list: told.join(lang === 'zh' ? '、' : ', ') })}
      >
        {shares.map(([emotion, share]) => {
          const left = x;
          x += share * 100;
          return (
            <rect
              key={emotion}
              class={`emotion-${emotion}`}
              x={left}
              y="0"
              width={Math.max(0, share * 100 - 0.3)}
              height="10"
            />
          );
        })}
      </svg>
      {legend && (
        <ul class="emotion-legend">
          {shares.map(([emotion, share]) => (
            <li key={emotion}>
              <i class={`dot emotion-${emotion}`} />
              {emotion_name(lang, emotion)} <b>{format_share(share)}</b>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

/** The detector's score against its threshold, which stands at the middle of the bar. */
export function ScoreBar({ score, text }: { score: number; text: string }) {
  const width = Math.max(0, Math.min(score / 2, 1)) * 60;
  return (
    <span class={score >= 1 ? 'score score-over' : 'score'}>
      <svg viewBox="0 0 60 8" aria-hidden="true">
        <rect class="score-track" x="0" y="2" width="60" height="4" rx="2" />
        <rect class="score-fill" x="0" y="2" width={width} height="4" rx="2" />
        <rect class="score-mark" x="29.5" y="0" width="1" height="8" />
      </svg>
      <b>{text}</b>
    </span>
  );
}
