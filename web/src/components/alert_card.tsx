// SPDX-License-Identifier: Apache-2.0
import { useState } from 'preact/hooks';

import { api } from '../api/client';
import type { Alert } from '../api/types';
import { EmotionBar } from '../charts/small';
import { use_now } from '../clock';
import {
  format_ago,
  format_count,
  format_duration,
  format_rate,
  format_share,
  format_time,
  format_times,
} from '../format';
import { action_name, key_name, kind_name, severity_name } from '../i18n/names';
import type { Language } from '../i18n/messages';
import { use_words, type Words } from '../preferences';
import { use_query } from '../query';
import { route_hash } from '../router';
import { Actions } from './alert_actions';
import { PostItem } from './post_item';
import { QueryView } from './states';

/** One line that names an alert in the reader's language. */
export function alert_title(lang: Language, alert: Alert): string {
  return `${key_name(lang, alert.key)} · ${kind_name(lang, alert.kind)}`;
}

/** "120 posts, 98 authors, 77 texts". */
export function crowd_text(
  { lang, t }: Words,
  counts: { posts: number; authors: number; texts: number },
): string {
  const word = (name: 'posts' | 'authors' | 'texts') =>
    t(counts[name] === 1 ? `count.${name}.one` : `count.${name}`, {
      count: format_count(lang, counts[name]),
    });
  return t('count.crowd', { posts: word('posts'), authors: word('authors'), texts: word('texts') });
}

function Change({ alert }: { alert: Alert }) {
  const { lang, t } = use_words();
  const share = alert.kind === 'negative';
  const show = (v: number) => (share ? format_share(v) : format_rate(lang, v));
  const times = share ? null : format_times(lang, alert.from_rate, alert.to_rate);
  const points = Math.round((alert.to_rate - alert.from_rate) * 100);
  const from = show(alert.from_rate);
  const to = show(alert.to_rate);
  return (
    <p class="change">
      <span class="visually-hidden">{t('alert.from_to', { from, to })}</span>
      <span class="change-from" aria-hidden="true">{from}</span>
      <span class="change-arrow" aria-hidden="true">→</span>
      <b class="change-to" aria-hidden="true">{to}</b>
      <span class="change-unit">{share ? t('alert.share') : t('alert.per_minute')}</span>
      {times !== null && <span class="change-times">{t('alert.times', { times })}</span>}
      {share && (
        <span class="change-times">
          {t('alert.points', { points: points > 0 ? `+${points}` : points })}
        </span>
      )}
    </p>
  );
}

/** In a list, as many posts as it takes to believe an alert; the rest stand on its own page. */
const kEvidenceShown = 3;

function Evidence({ alert, all }: { alert: Alert; all: boolean }) {
  const { t } = use_words();
  const query = use_query(`${alert.id} ${alert.evidence.join(' ')}`, (signal) =>
    api.alert(alert.id, signal),
  );
  return (
    <QueryView query={query}>
      {(full) => {
        const posts = full.evidence_posts ?? [];
        const here = new Set(posts.map((p) => p.id));
        const gone = full.evidence.filter((id) => !here.has(id));
        return (
          <>
            <ul class="posts posts-evidence">
              {posts.slice(0, all ? undefined : kEvidenceShown).map((post) => (
                <PostItem key={post.id} post={post} query={alert.terms.join(' ')} evidence />
              ))}
            </ul>
            {!all && posts.length > kEvidenceShown && (
              <a class="quiet-link" href={route_hash('alert', alert.id)}>
                {t('alert.evidence.more', { count: posts.length - kEvidenceShown })}
              </a>
            )}
            {gone.length > 0 && (
              <p class="hint">{t('alert.evidence.gone', { ids: gone.join(', ') })}</p>
            )}
          </>
        );
      }}
    </QueryView>
  );
}

/** Who drives it, and how it spreads. */
function Shape({ alert }: { alert: Alert }) {
  const { lang, t } = use_words();
  const forecast = alert.closed_at === null ? alert.forecast : null;
  const now = use_now(60_000);
  const accounts = (alert.accounts ?? []).map((a) =>
    t('alert.account', {
      author: a.author,
      posts: format_count(lang, a.posts),
      reposted: format_count(lang, a.reposted),
    }),
  );
  return (
    <div class="alert-shape">
      {forecast && (
        <p class="hint">
          {t('alert.forecast', {
            time: format_time(lang, forecast.at, now),
            expected: format_rate(lang, forecast.expected),
            low: format_rate(lang, forecast.low),
            high: format_rate(lang, forecast.high),
          })}
        </p>
      )}
      {accounts.length > 0 && (
        <p class="hint">{t('alert.accounts', { accounts: accounts.join(lang === 'zh' ? '、' : ', ') })}</p>
      )}
      {alert.cascade && (
        <p class="hint">
          {t('alert.cascade', {
            posts: format_count(lang, alert.cascade.posts),
            depth: alert.cascade.depth,
            breadth: alert.cascade.breadth,
          })}
        </p>
      )}
    </div>
  );
}

/** Who did what, when and why. */
export function History({ alert }: { alert: Alert }) {
  const { lang, t } = use_words();
  const now = use_now(30_000);
  return (
    <ol class="alert-history">
      {(alert.history ?? []).map((entry) => (
        <li key={`${entry.at} ${entry.action}`}>
          <time dateTime={entry.at}>{format_time(lang, entry.at, now)}</time>{' '}
          {entry.by === 'tidewatch' ? t('alert.history.engine') : entry.by}{' '}
          <b>{action_name(lang, entry.action)}</b>
          {entry.note !== '' && <span class="hint"> {entry.note}</span>}
        </li>
      ))}
    </ol>
  );
}

function Times({ alert }: { alert: Alert }) {
  const { lang, t } = use_words();
  const now = use_now(10_000);
  const at = (time: string) => format_time(lang, time, now);
  if (alert.closed_at === null) {
    return (
      <span class="alert-times">
        <time dateTime={alert.opened_at} title={at(alert.opened_at)}>
          {t('alert.opened', { time: format_ago(lang, alert.opened_at, now) })}
        </time>
        <time dateTime={alert.onset_at}>{t('alert.began', { time: at(alert.onset_at) })}</time>
      </span>
    );
  }
  const lasted = Date.parse(alert.closed_at) - Date.parse(alert.onset_at);
  return (
    <span class="alert-times">
      <time dateTime={alert.opened_at}>{t('alert.opened', { time: at(alert.opened_at) })}</time>
      <span>{t('alert.lasted', { duration: format_duration(lang, lasted) })}</span>
    </span>
  );
}

interface AlertCardProps {
  alert: Alert;
  /** evidence is shown from the start */
  expanded?: boolean;
  /** on the alert's own page: no link to itself */
  alone?: boolean;
  changed?: (alert: Alert) => void;
}

/** One alert: how grave, what changed, who says so, and what to do about it. */
export function AlertCard({ alert, expanded = false, alone = false, changed }: AlertCardProps) {
  const words = use_words();
  const { lang, t } = words;
  const [open, set_open] = useState(expanded);
  const id = `alert-${alert.id}`;
  const Heading = alone ? 'h1' : 'h3';
  return (
    <article
      class={`alert severity-${alert.severity} is-${alert.state}`}
      aria-labelledby={id}
      data-alert={alert.id}
      data-key={alert.key}
    >
      <header class="alert-head">
        <span class="severity">{severity_name(lang, alert.severity)}</span>
        <Heading id={id}>
          <a href={route_hash('topic', alert.key)}>{key_name(lang, alert.key)}</a>{' '}
          <span class="alert-kind">{kind_name(lang, alert.kind)}</span>
        </Heading>
        <Times alert={alert} />
      </header>
      <div class="alert-body">
        <Change alert={alert} />
        <p class="alert-crowd">
          {crowd_text(words, alert)} · {t('alert.score', { score: format_rate(lang, alert.score) })}
        </p>
        {alert.terms.length > 0 && (
          <ul class="terms" aria-label={t('alert.terms')}>
            {alert.terms.map((term) => (
              <li key={term}>
                <a href={route_hash('search', '', { q: term })}>{term}</a>
              </li>
            ))}
          </ul>
        )}
        <EmotionBar by={alert.emotions} />
        {alone && <Shape alert={alert} />}
      </div>
      <footer class="alert-foot">
        <Actions alert={alert} done={changed} with_note={alone} />
        {!alone && (
          <button
            type="button"
            class="button"
            aria-expanded={open}
            aria-controls={`${id}-evidence`}
            onClick={() => set_open(!open)}
          >
            {t(open ? 'alert.evidence.hide' : 'alert.evidence.show')} ({alert.evidence.length})
          </button>
        )}
        {!alone && (
          <a class="quiet-link" href={route_hash('alert', alert.id)}>
            {t('alert.link')}
          </a>
        )}
      </footer>
      <div id={`${id}-evidence`} hidden={!(open || alone)}>
        {(open || alone) && <Evidence alert={alert} all={alone} />}
      </div>
    </article>
  );
}
