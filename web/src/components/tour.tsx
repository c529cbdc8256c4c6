// SPDX-License-Identifier: Apache-2.0
// The first five minutes: seven short stops, each beside the thing it is about.

import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';

import type { MessageId } from '../i18n/messages';
import { remember_tour, use_words } from '../preferences';
import { go, route_hash } from '../router';

interface Stop {
  /** what it points at; absent from the page: it stands in the middle */
  at: string;
  title: MessageId;
  text: MessageId;
  /** where it is to be seen */
  hash?: string;
}

const kStops: readonly Stop[] = [
  { at: '', title: 'tour.welcome', text: 'tour.welcome.text', hash: route_hash('now') },
  { at: '[data-tour="vitals"]', title: 'tour.vitals', text: 'tour.vitals.text' },
  { at: '.panel-alerts', title: 'tour.alerts', text: 'tour.alerts.text' },
  { at: '.panel-trends', title: 'tour.trends', text: 'tour.trends.text' },
  { at: 'nav a[href="#/search"]', title: 'tour.search', text: 'tour.search.text' },
  { at: 'nav a[href="#/rules"]', title: 'tour.rules', text: 'tour.rules.text' },
  { at: '[data-action="settings"]', title: 'tour.keys', text: 'tour.keys.text' },
];

interface Place {
  left: number;
  top: number;
  /** what is pointed at */
  spot: DOMRect | null;
}

const kMargin = 12;

/** Beside its target where there is room, else in the middle of the window. */
function place_of(target: Element | null, card: HTMLElement): Place {
  const { clientWidth: width, clientHeight: height } = document.documentElement;
  const size = card.getBoundingClientRect();
  const middle = { left: (width - size.width) / 2, top: Math.max(kMargin, (height - size.height) / 2), spot: null };
  if (!target) return middle;
  const spot = target.getBoundingClientRect();
  if (spot.width === 0) return middle;
  const left = Math.min(Math.max(kMargin, spot.left), width - size.width - kMargin);
  const below = spot.bottom + kMargin;
  const above = spot.top - size.height - kMargin;
  const fits_below = below + size.height < height - kMargin;
  const top = fits_below ? below : above > kMargin ? above : Math.max(kMargin, height - size.height - 80);
  return { left, top, spot };
}

export function Tour({ close }: { close: () => void }) {
  const { t } = use_words();
  const [at, set_at] = useState(0);
  const [place, set_place] = useState<Place | null>(null);
  const dialog = useRef<HTMLDialogElement>(null);
  const card = useRef<HTMLDivElement>(null);
  const stop = kStops[at] ?? kStops[0];
  const last = at === kStops.length - 1;
  const end = () => {
    remember_tour();
    close();
  };
  const move = (by: number) => set_at((n) => Math.min(kStops.length - 1, Math.max(0, n + by)));

  useEffect(() => {
    const element = dialog.current;
    const before = document.activeElement;
    element?.showModal();
    return () => {
      element?.close();
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  useLayoutEffect(() => {
    if (stop?.hash !== undefined) go(stop.hash);
    const put = () => {
      const target = stop && stop.at !== '' ? document.querySelector(stop.at) : null;
      if (card.current) set_place(place_of(target, card.current));
    };
    const target = stop && stop.at !== '' ? document.querySelector(stop.at) : null;
    target?.scrollIntoView({ block: 'nearest' });
    put();
    window.addEventListener('resize', put);
    return () => window.removeEventListener('resize', put);
  }, [at]);

  if (!stop) return null;
  return (
    <dialog
      ref={dialog}
      class="tour"
      aria-labelledby="tour-title"
      aria-describedby="tour-text"
      data-tour-stop={at}
      onCancel={(e) => {
        e.preventDefault();
        end();
      }}
      onKeyDown={(e) => {
        if (e.key === 'ArrowRight') move(1);
        if (e.key === 'ArrowLeft') move(-1);
      }}
    >
      {place?.spot && (
        <i
          class="tour-spot"
          aria-hidden="true"
          style={{
            left: `${place.spot.left - 4}px`,
            top: `${place.spot.top - 4}px`,
            width: `${place.spot.width + 8}px`,
            height: `${place.spot.height + 8}px`,
          }}
        />
      )}
      <div
        ref={card}
        class="tour-card"
        style={{ left: `${place?.left ?? 0}px`, top: `${place?.top ?? 0}px` }}
      >
        <p class="hint">{t('tour.step', { step: at + 1, steps: kStops.length })}</p>
        <h2 id="tour-title">{t(stop.title)}</h2>
        <p id="tour-text" aria-live="polite">
          {t(stop.text)}
        </p>
        <footer class="dialog-foot">
          <button type="button" class="button" data-action="tour-skip" onClick={end}>
            {t('tour.skip')}
          </button>
          {at > 0 && (
            <button type="button" class="button" onClick={() => move(-1)}>
              {t('tour.back')}
            </button>
          )}
          <button
            type="button"
            class="button button-main"
            data-action="tour-next"
            autofocus
            onClick={() => (last ? end() : move(1))}
          >
            {t(last ? 'tour.done' : 'tour.next')}
          </button>
        </footer>
      </div>
    </dialog>
  );
}
