// SPDX-License-Identifier: Apache-2.0
// What people do with an alert: the same on a card, in the inbox, and by keyboard.

import { useState } from 'preact/hooks';

import { api } from '../api/client';
import type { Alert, AlertActionName } from '../api/types';
import { use_now } from '../clock';
import { format_time } from '../format';
import { state_name } from '../i18n/names';
import { dispatch } from '../live/connection';
import { preferences, use_words } from '../preferences';
import { error_text } from './states';

/** What may be done with an alert in its state, the likeliest first. */
export function actions_for(alert: Alert): AlertActionName[] {
  if (alert.closed_at !== null) return alert.state === 'closed' ? ['resolve'] : [];
  switch (alert.state) {
    case 'open':
      return ['ack', 'escalate', 'resolve', 'mute'];
    case 'escalated':
      return ['ack', 'resolve', 'mute', 'reopen'];
    case 'acknowledged':
      return ['resolve', 'escalate', 'mute', 'reopen'];
    default:
      return ['reopen'];
  }
}

export const kMuteMinutes = 60;
const kMutes = [15, 60, 240, 1440] as const;

export const is_muted = (alert: Alert, now_ms: number) =>
  alert.muted_until !== null && Date.parse(alert.muted_until) > now_ms;

export interface ActionRequest {
  minutes?: number;
  note?: string;
}

/** Does it and lets every view know. Throws what the engine answered. */
export async function act_on(alert: Alert, action: AlertActionName, request: ActionRequest = {}): Promise<Alert> {
  const by = preferences.get().name.trim() || 'dashboard';
  const answer = await api.act(alert.id, action, { by, ...request });
  dispatch({ type: 'alert', alert: answer });
  return answer;
}

interface MuteProps {
  muted: boolean;
  busy: boolean;
  mute: (minutes: number) => void;
}

function Mute({ muted, busy, mute }: MuteProps) {
  const { t } = use_words();
  if (muted) {
    return (
      <button type="button" class="button" data-action="mute" disabled={busy} onClick={() => mute(0)}>
        {t('alert.unmute')}
      </button>
    );
  }
  return (
    <select
      class="button"
      data-action="mute"
      aria-label={t('alert.mute.for')}
      disabled={busy}
      value=""
      onChange={(e) => {
        const minutes = Number(e.currentTarget.value);
        e.currentTarget.value = '';
        if (minutes > 0) mute(minutes);
      }}
    >
      <option value="">{t('alert.mute')}</option>
      {kMutes.map((minutes) => (
        <option key={minutes} value={minutes}>
          {t(`alert.mute.${minutes}`)}
        </option>
      ))}
    </select>
  );
}

interface ActionsProps {
  alert: Alert;
  done?: ((a: Alert) => void) | undefined;
  /** asks for a note that goes with the action */
  with_note?: boolean;
}

export function Actions({ alert, done, with_note = false }: ActionsProps) {
  const { lang, t } = use_words();
  const [busy, set_busy] = useState(false);
  const [problem, set_problem] = useState<Error | null>(null);
  const [note, set_note] = useState('');
  const now = use_now(30_000);
  const muted = is_muted(alert, now);
  const act = async (action: AlertActionName, minutes?: number) => {
    set_busy(true);
    set_problem(null);
    try {
      const request = { ...(minutes === undefined ? {} : { minutes }), ...(note.trim() === '' ? {} : { note: note.trim() }) };
      const answer = await act_on(alert, action, request);
      set_note('');
      done?.(answer);
    } catch (error) {
      set_problem(error instanceof Error ? error : new Error(String(error)));
    }
    set_busy(false);
  };
  const actions = actions_for(alert);
  return (
    <>
      {alert.state !== 'open' && (
        <span class={alert.state === 'acknowledged' ? 'acked' : 'alert-state'}>
          {alert.state === 'acknowledged' && '✓ '}
          {state_name(lang, alert.state)}
        </span>
      )}
      {muted && alert.muted_until && (
        <span class="alert-state">{t('alert.muted', { time: format_time(lang, alert.muted_until, now) })}</span>
      )}
      {with_note && actions.length > 0 && (
        <input
          class="alert-note"
          aria-label={t('alert.note')}
          placeholder={t('alert.note')}
          maxLength={500}
          value={note}
          onInput={(e) => set_note(e.currentTarget.value)}
        />
      )}
      {actions.map((action) =>
        action === 'mute' ? (
          <Mute key={action} muted={muted} busy={busy} mute={(minutes) => void act('mute', minutes)} />
        ) : (
          <button
            key={action}
            type="button"
            class={action === 'ack' ? 'button button-main' : 'button'}
            data-action={action}
            disabled={busy}
            onClick={() => void act(action)}
          >
            {t(`alert.${action}`)}
          </button>
        ),
      )}
      {problem && (
        <span class="problem" role="alert">
          {t('alert.action_failed', { reason: error_text(t, problem) })}
        </span>
      )}
    </>
  );
}
