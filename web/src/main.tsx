// SPDX-License-Identifier: Apache-2.0
import { render } from 'preact';
import { useEffect } from 'preact/hooks';

import { alert_title } from './components/alert_card';
import { Header } from './components/header';
import { Shell } from './components/shell';
import { Empty } from './components/states';
import { keep_connected, live } from './live/connection';
import type { LiveState } from './live/state';
import { start_preferences, use_words } from './preferences';
import { route_hash, use_route, type Route } from './router';
import { listen_to_keys } from './shortcuts';
import { useStore } from './store';
import { AlertView, AlertsView } from './views/alerts';
import { NowView } from './views/now';
import { ModelsView } from './views/models';
import { RulesView, RuleView } from './views/rules';
import { SearchView } from './views/search';
import { SystemView } from './views/system';
import { TopicView } from './views/topic';
import './styles/tokens.css';
import './styles/page.css';
import './styles/parts.css';
import './styles/views.css';

function CurrentView({ route }: { route: Route }) {
  const { t } = use_words();
  switch (route.view) {
    case 'now':
      return <NowView route={route} />;
    case 'topic':
      return <TopicView key={route.id} route={route} />;
    case 'alerts':
      return <AlertsView route={route} />;
    case 'alert':
      return <AlertView key={route.id} route={route} />;
    case 'search':
      return <SearchView route={route} />;
    case 'rules':
      return <RulesView route={route} />;
    case 'rule':
      return <RuleView key={route.id} route={route} />;
    case 'models':
      return <ModelsView />;
    case 'system':
      return <SystemView route={route} />;
    case 'missing':
      return (
        <main id="content" class="single" tabIndex={-1}>
          <section class="panel">
            <h1>404</h1>
            <Empty text={t('state.missing')} />
            <a href={route_hash('now')}>{t('state.home')}</a>
          </section>
        </main>
      );
  }
}

const announcement_of = (s: LiveState) => s.announcement;
const open_count_of = (s: LiveState) =>
  [...s.alerts.values()].filter((a) => a.state === 'open').length;

/** Tells what opened or closed to those who listen rather than look. */
function Announcer() {
  const { lang, t } = use_words();
  const told = useStore(live, announcement_of);
  return (
    <div class="visually-hidden" aria-live="polite">
      {told && t(`alerts.announce.${told.event}`, { title: alert_title(lang, told.alert) })}
    </div>
  );
}

function App() {
  const { t } = use_words();
  const route = use_route();
  const open = useStore(live, open_count_of);
  const view = `${route.view} ${route.id}`;
  useEffect(() => {
    document.title = `${open > 0 ? `(${open}) ` : ''}观潮 Tidewatch`;
  }, [open]);
  useEffect(() => window.scrollTo(0, 0), [view]);
  return (
    <>
      <a
        class="skip"
        href="#content"
        onClick={(e) => {
          e.preventDefault(); // the fragment is the view's address
          document.getElementById('content')?.focus();
        }}
      >
        {t('app.skip')}
      </a>
      <Header route={route} />
      <CurrentView route={route} />
      <Announcer />
      <Shell />
    </>
  );
}

start_preferences();
listen_to_keys();
const root = document.getElementById('app');
if (root) render(<App />, root);
void keep_connected(new AbortController().signal);
