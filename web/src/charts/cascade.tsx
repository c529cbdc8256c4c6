// SPDX-License-Identifier: Apache-2.0
// A tree of reposts, from the first post on the left to the last reposts on the right.

import { use_words } from '../preferences';
import { place_cascade, type CascadeNode } from '../post_shape';

const kNodesMax = 60;
const kLine = 12;
const kColumn = 68;

export function Cascade({ root }: { root: CascadeNode }) {
  const { t } = use_words();
  const { placed, lines, depth } = place_cascade(root, kNodesMax);
  const width = Math.max(1, depth) * kColumn + 24;
  const height = Math.max(2, lines) * kLine + 12;
  const x = (v: number) => 12 + v * kColumn;
  const y = (v: number) => 8 + v * kLine;
  return (
    <svg
      class="cascade"
      viewBox={`0 0 ${width} ${height}`}
      style={{ maxWidth: `${width * 1.6}px`, maxHeight: '280px' }}
      role="img"
      aria-label={t('topic.cascade.summary', { reposts: root.below, depth })}
    >
      {placed.map(
        (p) =>
          p.parent && (
            <path
              key={`l${p.node.id}`}
              d={`M${x(p.parent.x)} ${y(p.parent.y)}C${x(p.parent.x) + kColumn / 2} ${y(p.parent.y)} ${x(p.x) - kColumn / 2} ${y(p.y)} ${x(p.x)} ${y(p.y)}`}
            />
          ),
      )}
      {placed.map((p) => (
        <circle
          key={p.node.id}
          class={`emotion-${p.node.post?.emotion.label ?? 'neutral'}`}
          cx={x(p.x)}
          cy={y(p.y)}
          r={Math.min(7, 3 + Math.sqrt(p.node.below))}
        />
      ))}
    </svg>
  );
}
