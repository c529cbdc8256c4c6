// SPDX-License-Identifier: Apache-2.0
import { use_now } from '../clock';
import { format_ago, format_time } from '../format';
import { use_preferences } from '../preferences';

/** A moment, as this person wants to read it; the other way stands in the tooltip. */
export function When({ time }: { time: string }) {
  const { lang, times } = use_preferences();
  const now = use_now(15_000);
  const ago = format_ago(lang, time, now);
  const clock = format_time(lang, time, now);
  return (
    <time dateTime={time} title={times === 'ago' ? clock : ago}>
      {times === 'ago' ? ago : clock}
    </time>
  );
}
