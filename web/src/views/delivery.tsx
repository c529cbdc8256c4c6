// SPDX-License-Identifier: Apache-2.0
// Messages on their way to people, those that never got there, and the channels they go over.

import { useState } from 'preact/hooks';

import { api } from '../api/client';
import type { Channel, OutboxMessage } from '../api/types';
import { More } from '../components/more';
import { Choice, Empty, error_text, Failed, Loading, Panel, QueryView } from '../components/states';
import { When } from '../components/when';
import { format_count } from '../format';
import { use_pages } from '../pages';
import { use_words } from '../preferences';
import { use_query } from '../query';
import { go, route_hash, type Route } from '../router';

const kStates = ['all', 'waiting', 'dead'] as const;

function Retry({ run, label }: { run: () => Promise<unknown>; label: string }) {
  const { t } = use_words();
  const [busy, set_busy] = useState(false);
  const [problem, set_problem] = useState<Error | null>(null);
  const go_on = async () => {
    set_busy(true);
    set_problem(null);
    try {
      await run();
    } catch (error) {
      set_problem(error instanceof Error ? error : new Error(String(error)));
    }
    set_busy(false);
  };
  return (
    <>
      <button type="button" class="button" disabled={busy} data-action="retry" onClick={() => void go_on()}>
        {label}
      </button>
      {problem && (
        <span class="problem" role="alert">
          {error_text(t, problem)}
        </span>
      )}
    </>
  );
}

function ChannelRow({ channel, changed }: { channel: Channel; changed: () => void }) {
  const { lang, t } = use_words();
  const count = (v: number) => format_count(lang, v);
  return (
    <tr data-channel={channel.name}>
      <th scope="row">
        {channel.name} <span class="tag">{channel.type}</span>
      </th>
      <td class="number">{count(channel.waiting)}</td>
      <td class="number">{channel.dead > 0 ? <b class="bad">{count(channel.dead)}</b> : 0}</td>
      <td class="number">{count(channel.delivered)}</td>
      <td class="number">{count(channel.failed_attempts)}</td>
      <td>
        {channel.rests_until && (
          <span class="hint">
            {t('delivery.rests')} <When time={channel.rests_until} />{' '}
          </span>
        )}
        {channel.last_error !== '' && <span class="problem">{channel.last_error} </span>}
        {channel.dead > 0 && (
          <Retry
            label={t('delivery.retry_all')}
            run={async () => {
              await api.retry_channel(channel.name);
              changed();
            }}
          />
        )}
      </td>
    </tr>
  );
}

function MessageRow({ message, changed }: { message: OutboxMessage; changed: () => void }) {
  const { t } = use_words();
  return (
    <li class={`message-row is-${message.state}`} data-message={message.id}>
      <span class={message.state === 'dead' ? 'tag tag-bad' : 'tag'}>{t(`delivery.${message.state as 'dead'}`)}</span>
      <div class="alert-row-main">
        {message.alert ? (
          <a href={route_hash('alert', message.alert)}>{message.title ?? message.alert}</a>
        ) : (
          <b>{message.title ?? `#${message.id}`}</b>
        )}
        <span class="alert-row-detail">
          {message.channel}
          {message.event && ` · ${message.event}`} · {t('delivery.attempts', { count: message.attempts })}
          {message.last_error !== '' && <span class="problem"> {message.last_error}</span>}
        </span>
      </div>
      <div class="alert-row-when">
        <When time={message.dead_at ?? message.created_at} />
        {message.state === 'dead' && (
          <Retry
            label={t('delivery.retry')}
            run={async () => {
              await api.retry_message(message.id);
              changed();
            }}
          />
        )}
      </div>
    </li>
  );
}

export function Delivery({ route }: { route: Route }) {
  const { t } = use_words();
  const state = kStates.find((s) => s === route.params.get('messages')) ?? 'all';
  const channels = use_query('channels', (signal) => api.channels(signal), 5000);
  const pages = use_pages(`outbox ${state}`, async (before: number | undefined, signal) => {
    const answer = await api.outbox({ state, limit: 50, before }, signal);
    return { items: answer.messages, next: answer.next };
  });
  const changed = () => {
    channels.reload();
    pages.reload();
  };
  return (
    <>
      <Panel title={t('delivery.channels')}>
        <QueryView query={channels}>
          {(data) => (
            <div class="scroll-x" role="group" aria-label={t('delivery.channels')} tabIndex={0}>
              <table class="grid">
                <thead>
                  <tr>
                    <th scope="col">{t('delivery.channel')}</th>
                    <th scope="col" class="number">{t('delivery.waiting')}</th>
                    <th scope="col" class="number">{t('delivery.dead')}</th>
                    <th scope="col" class="number">{t('delivery.delivered')}</th>
                    <th scope="col" class="number">{t('delivery.failed')}</th>
                    <th scope="col">{t('delivery.note')}</th>
                  </tr>
                </thead>
                <tbody>
                  {data.channels.map((c) => (
                    <ChannelRow key={c.name} channel={c} changed={changed} />
                  ))}
                </tbody>
              </table>
            </div>
          )}
        </QueryView>
      </Panel>
      <Panel
        title={t('delivery.messages')}
        tools={
          <Choice
            label={t('alerts.filter')}
            value={state}
            options={kStates.map((s) => [s, t(s === 'all' ? 'alerts.all' : `delivery.${s}`)] as const)}
            choose={(s) =>
              go(route_hash('alerts', '', { tab: 'delivery', messages: s === 'all' ? undefined : s }), true)
            }
          />
        }
      >
        {pages.loading && <Loading />}
        {pages.error && <Failed error={pages.error} retry={pages.reload} />}
        {!pages.loading && !pages.error && pages.items.length === 0 && (
          <Empty text={t('delivery.none')} hint={t('delivery.none.hint')} />
        )}
        <ul class="alert-rows">
          {pages.items.map((m) => (
            <MessageRow key={m.id} message={m} changed={changed} />
          ))}
        </ul>
        <More pages={pages} />
      </Panel>
    </>
  );
}
