// SPDX-License-Identifier: Apache-2.0
import { expect, test } from 'vitest';

import { retry_delay_ms } from './connection';

test.each([
  [1, 0.999, 500],
  [1, 0, 400],
  [2, 0.999, 1000],
  [4, 0.999, 4000],
  [6, 0.999, 15_000],
  [5000, 0.999, 15_000],
  [5000, 0, 12_000],
])('try %i with random %f waits about %i ms', (attempt, random, expected) => {
  expect(Math.abs(retry_delay_ms(attempt, random) - expected)).toBeLessThanOrEqual(5);
});
