// SPDX-License-Identifier: Apache-2.0
import type { ComponentChildren } from 'preact';

import { use_now } from '../clock';
import { format_count, format_ms, format_rate, format_share, format_time } from '../format';
import { live, retry_now } from '../live/connection';
import type { LiveState } from '../live/state';
import { set_language, set_theme, use_preferences, use_words } from '../preferences';
import { route_hash, type Route, type View } from '../router';
import { useStore } from '../store';
import { Icon, type IconName } from './icons';
import { overlay } from './shell';

const connection_of = (s: LiveState) => s.connection;
const stats_of = (s: LiveState) => s.stats;
const stats_at_of = (s: LiveState) => s.stats_at;
const unread_of = (s: LiveState) =>
  [...s.alerts.values()].filter((a) => a.state === 'open').length;

function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
      <path d="M3 20c5 0 5-10 10-10 4 0 5 7 10 7 3 0 4-3 6-5" />
      <path class="mark-low" d="M3 26c4 0 5-4 10-4s5 4 10 4c3 0 4-2 6-3" />
    </svg>
  );
}

function Nav({ route }: { route: Route }) {
  const { t } = use_words();
  const open = useStore(live, unread_of);
  const here: Record<View, string> = {
    now: 'now', topic: 'now', search: 'search', alerts: 'alerts', alert: 'alerts', rules: 'rules', rule: 'rules',
    models: 'models', system: 'system', missing: '',
  };
  const item = (view: IconName, extra?: ComponentChildren) => (
    <a href={route_hash(view)} aria-current={here[route.view] === view ? 'page' : undefined}>
      <Icon name={view} />
      <span>{t(`nav.${view}`)}</span>
      {extra}
    </a>
  );
  return (
    <nav aria-label={t('nav.label')}>
      {item('now')}
      {item('search')}
      {item(
        'alerts',
        open > 0 && (
          <span class="badge">
            <span aria-hidden="true">{open}</span>
            <span class="visually-hidden">{t('alerts.open.count', { count: open })}</span>
          </span>
        ),
      )}
      {item('rules')}
      {item('models')}
      {item('system')}
    </nav>
  );
}

function Toggles() {
  const { lang, theme } = use_preferences();
  const { t } = use_words();
  const to_theme = t(theme === 'dark' ? 'theme.to_light' : 'theme.to_dark');
  return (
    <div class="toggles">
      <button
        type="button"
        class="icon-button"
        lang={lang === 'zh' ? 'en' : 'zh-CN'}
        aria-label={t('lang.switch.label')}
        title={t('lang.switch.label')}
        data-action="language"
        onClick={() => set_language(lang === 'zh' ? 'en' : 'zh')}
      >
        {t('lang.switch')}
      </button>
      <button
        type="button"
        class="icon-button"
        aria-label={to_theme}
        title={to_theme}
        data-action="theme"
        onClick={() => set_theme(theme === 'dark' ? 'light' : 'dark')}
      >
        <svg viewBox="0 0 20 20" aria-hidden="true">
          {theme === 'dark' ? (
            <>
              <circle cx="10" cy="10" r="3.6" />
              <path d="M10 2v2M10 16v2M2 10h2M16 10h2M4.3 4.3l1.4 1.4M14.3 14.3l1.4 1.4M15.7 4.3l-1.4 1.4M5.7 14.3l-1.4 1.4" />
            </>
          ) : (
            <path d="M16.5 12.2A7 7 0 0 1 7.8 3.5a7 7 0 1 0 8.7 8.7z" />
          )}
        </svg>
      </button>
      <button
        type="button"
        class="icon-button"
        aria-label={t('settings.title')}
        title={t('settings.title')}
        data-action="settings"
        onClick={() => overlay.set('settings')}
      >
        <svg viewBox="0 0 20 20" aria-hidden="true">
          <path d="M3 6h8M15 6h2M3 14h2M9 14h8M13 4v4M7 12v4" />
        </svg>
      </button>
    </div>
  );
}

function ConnectionState() {
  const { t } = use_words();
  const connection = useStore(live, connection_of);
  return (
    <span class={`connection is-${connection.phase}`} role="status" data-connection={connection.phase}>
      <i aria-hidden="true" />
      {t(`live.${connection.phase}`)}
    </span>
  );
}

function Vital({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div class="vital">
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Vitals() {
  const { lang, t } = use_words();
  const stats = useStore(live, stats_of);
  const lost = useStore(live, connection_of).phase === 'waiting';
  const p99 = stats?.latency_ms.p99 ?? 0;
  const deadline = stats?.deadline_ms ?? 50;
  const load = deadline > 0 ? p99 / deadline : 0;
  const level = load >= 1 ? 'over' : load >= 0.8 ? 'near' : 'kept';
  return (
    <dl class={lost ? 'vitals is-lost' : 'vitals'}>
      <Vital name={t('vitals.rate')}>
        <b data-vital="rate">{stats ? format_rate(lang, stats.posts_per_second) : '–'}</b>
        {stats && stats.queue_depth > 0 && (
          <small>{t('vitals.queue', { count: format_count(lang, stats.queue_depth) })}</small>
        )}
      </Vital>
      <Vital name={t('vitals.p99')}>
        <b data-vital="p99">{stats ? format_ms(lang, p99) : '–'}</b>{' '}
        <small>{t('vitals.p99.of', { deadline })}</small>
        {stats && (
          <>
            <span
              class={`meter is-${level}`}
              role="meter"
              aria-label={t('vitals.p99.meter')}
              aria-valuemin={0}
              aria-valuemax={deadline}
              aria-valuenow={Math.min(p99, deadline)}
              aria-valuetext={`${format_ms(lang, p99)} ms, ${t(level === 'over' ? 'vitals.p99.broken' : 'vitals.p99.kept')}`}
            >
              <i style={{ width: `${Math.min(100, load * 100)}%` }} />
            </span>
            {level === 'over' && <small class="bad">{t('vitals.p99.broken')}</small>}
          </>
        )}
      </Vital>
      <Vital name={t('vitals.negative')}>
        <b>{stats ? format_share(stats.negative_share) : '–'}</b>
      </Vital>
      <Vital name={t('vitals.accepted')}>
        <b>{stats ? format_count(lang, stats.accepted) : '–'}</b>
        {stats && stats.rejected > 0 && (
          <small>{t('vitals.rejected', { count: format_count(lang, stats.rejected) })}</small>
        )}
      </Vital>
      <Vital name={t('vitals.state')}>
        {stats && !lost ? (
          <span class={stats.ready ? 'ready' : 'not-ready'} data-vital="ready">
            {t(stats.ready ? 'vitals.ready' : 'vitals.not_ready')}
          </span>
        ) : (
          <span data-vital="ready">–</span>
        )}
      </Vital>
      <Vital name={t('vitals.model')}>
        <span class="model" data-vital="model">{stats?.model ?? '–'}</span>
      </Vital>
    </dl>
  );
}

function Banner() {
  const { lang, t } = use_words();
  const connection = useStore(live, connection_of);
  const stats_at = useStore(live, stats_at_of);
  const stats = useStore(live, stats_of);
  const now = use_now(1000);
  if (connection.phase === 'waiting') {
    const seconds = Math.max(0, Math.ceil((connection.retry_at - Date.now()) / 1000));
    const time = format_time(lang, new Date(stats_at).toISOString(), now);
    return (
      <div class="banner banner-lost">
        <p role="alert">{stats_at > 0 ? t('live.banner', { time }) : t('live.banner_never')}</p>
        <span>{t('live.retry_in', { seconds })}</span>
        <button type="button" class="button" onClick={retry_now}>
          {t('live.retry_now')}
        </button>
      </div>
    );
  }
  if (stats && !stats.ready) {
    return (
      <div class="banner banner-wait">
        <p role="alert">{t('live.not_ready')}</p>
      </div>
    );
  }
  return null;
}

export function Header({ route }: { route: Route }) {
  const { t } = use_words();
  return (
    <>
      <header class="top">
        <div class="top-row">
          <a class="brand" href={route_hash('now')}>
            <Mark />
            <span class="brand-name">
              观潮 <span class="brand-latin">Tidewatch</span>
            </span>
          </a>
          <Nav route={route} />
          <ConnectionState />
          <Toggles />
        </div>
        <section aria-label={t('vitals.label')} data-tour="vitals">
          <Vitals />
        </section>
      </header>
      <Banner />
    </>
  );
}
