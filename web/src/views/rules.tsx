// SPDX-License-Identifier: Apache-2.0
// What people watch for: the list of rules, and one rule at its own address.

import { useEffect, useState } from 'preact/hooks';

import { api } from '../api/client';
import type { Rule } from '../api/types';
import { Confirm } from '../components/dialog';
import { QueryHelp, QueryProblem, use_verdict } from '../components/query_box';
import { RulePreviewPanel } from '../components/rule_preview';
import { Empty, error_text, QueryView } from '../components/states';
import { format_count } from '../format';
import { use_words } from '../preferences';
import { use_query } from '../query';
import { go, route_hash, type Route } from '../router';

/** In an address: a rule that is not there yet. No rule can be called so by accident: `+` alone. */
export const kNewRule = '+';

function Toggle({ rule, changed }: { rule: Rule; changed: () => void }) {
  const { t } = use_words();
  const [problem, set_problem] = useState<Error | null>(null);
  const [busy, set_busy] = useState(false);
  const flip = async () => {
    set_busy(true);
    set_problem(null);
    try {
      const { query, description, enabled } = rule;
      await api.put_rule(rule.name, { query, description, enabled: !enabled });
      changed();
    } catch (error) {
      set_problem(error instanceof Error ? error : new Error(String(error)));
    }
    set_busy(false);
  };
  return (
    <>
      <button
        type="button"
        role="switch"
        class="switch"
        aria-checked={rule.enabled}
        aria-label={t('rules.watch', { name: rule.name })}
        disabled={busy || rule.origin === 'file'}
        onClick={() => void flip()}
      >
        <i aria-hidden="true" />
      </button>
      {problem && (
        <span class="problem" role="alert">
          {error_text(t, problem)}
        </span>
      )}
    </>
  );
}

interface RuleRowProps {
  rule: Rule;
  changed: () => void;
  remove: (rule: Rule) => void;
}

function RuleRow({ rule, changed, remove }: RuleRowProps) {
  const { t } = use_words();
  const own = rule.origin === 'api';
  return (
    <li class={rule.enabled ? 'rule-row' : 'rule-row is-off'} data-rule={rule.name}>
      <Toggle rule={rule} changed={changed} />
      <div class="rule-main">
        <a href={route_hash('rule', rule.name)}>
          <b>{rule.name}</b>
        </a>
        <code class="rule-query">{rule.query}</code>
        {rule.description !== '' && <span class="hint">{rule.description}</span>}
        {rule.problem !== null && (
          <span class="problem">{t('rules.problem', { reason: rule.problem })}</span>
        )}
      </div>
      <div class="rule-tools">
        {!own && <span class="tag">{t('rules.from_file')}</span>}
        <a href={route_hash('topic', rule.key)}>{t('alert.open_topic')}</a>
        {own && (
          <button type="button" class="link-button" onClick={() => remove(rule)}>
            {t('rules.delete')}
          </button>
        )}
      </div>
    </li>
  );
}

function remove_dialog(t: ReturnType<typeof use_words>['t'], rule: Rule, done: () => void, close: () => void) {
  return (
    <Confirm
      title={t('rules.delete.title', { name: rule.name })}
      text={<p>{t('rules.delete.text')}</p>}
      action={t('rules.delete')}
      danger
      run={async () => {
        await api.delete_rule(rule.name);
        done();
      }}
      close={close}
    />
  );
}

export function RulesView({ route }: { route: Route }) {
  const { lang, t } = use_words();
  const query = use_query('rules', (signal) => api.rules(signal), 15_000);
  const [removing, set_removing] = useState<Rule | null>(null);
  const filter = route.params.get('q') ?? '';
  const fits = (rule: Rule) =>
    `${rule.name} ${rule.query} ${rule.description}`.toLowerCase().includes(filter.toLowerCase());
  return (
    <main id="content" class="single" tabIndex={-1}>
      <div class="view-head">
        <h1>{t('nav.rules')}</h1>
        <input
          type="search"
          class="filter-input"
          aria-label={t('rules.filter')}
          placeholder={t('rules.filter')}
          value={filter}
          onInput={(e) => go(route_hash('rules', '', { q: e.currentTarget.value }), true)}
        />
        <a class="button button-main" href={route_hash('rule', kNewRule)} data-action="new-rule">
          {t('rules.new')}
        </a>
      </div>
      <p class="view-intro">{t('rules.intro')}</p>
      <section class="panel" aria-label={t('nav.rules')}>
        <QueryView query={query}>
          {({ rules, rules_max }) => {
            const shown = rules.filter(fits);
            if (rules.length === 0) {
              return (
                <Empty text={t('rules.none')} hint={t('rules.none.hint')} />
              );
            }
            return (
              <>
                <p class="hint">
                  {t('rules.count', { count: rules.length, enabled: rules.filter((r) => r.enabled).length, max: format_count(lang, rules_max) })}
                </p>
                {shown.length === 0 && <Empty text={t('rules.none.match')} />}
                <ul class="rule-rows">
                  {shown.map((rule) => (
                    <RuleRow key={rule.name} rule={rule} changed={query.reload} remove={set_removing} />
                  ))}
                </ul>
              </>
            );
          }}
        </QueryView>
      </section>
      {removing && remove_dialog(t, removing, query.reload, () => set_removing(null))}
    </main>
  );
}

interface EditorProps {
  rule: Rule | null;
  /** what the query starts with when there is no rule yet */
  start: string;
}

function Editor({ rule, start }: EditorProps) {
  const { t } = use_words();
  const [name, set_name] = useState(rule?.name ?? '');
  const [query, set_query] = useState(rule?.query ?? start);
  const [description, set_description] = useState(rule?.description ?? '');
  const [enabled, set_enabled] = useState(rule?.enabled ?? true);
  const [state, set_state] = useState<'idle' | 'busy' | 'saved'>('idle');
  const [problem, set_problem] = useState<Error | null>(null);
  const [removing, set_removing] = useState(false);
  const verdict = use_verdict(query);
  const fixed = rule?.origin === 'file';
  const valid = verdict?.valid === true;

  const save = async () => {
    set_state('busy');
    set_problem(null);
    try {
      await api.put_rule(name.trim(), { query, description, enabled });
      set_state('saved');
      if (rule === null) go(route_hash('rule', name.trim()));
    } catch (error) {
      set_problem(error instanceof Error ? error : new Error(String(error)));
      set_state('idle');
    }
  };
  useEffect(() => set_state('idle'), [query, description, enabled, name]);

  return (
    <>
      <form
        class="panel rule-form"
        aria-label={t('rules.editor')}
        onSubmit={(e) => {
          e.preventDefault();
          void save();
        }}
      >
        {fixed && <p class="stale">{t('rules.fixed')}</p>}
        {rule?.problem && <p class="problem">{t('rules.problem', { reason: rule.problem })}</p>}
        <label class="field">
          <span>{t('rules.name')}</span>
          <input
            name="name"
            value={name}
            required
            maxLength={64}
            readOnly={rule !== null}
            autocomplete="off"
            placeholder={t('rules.name.hint')}
            onInput={(e) => set_name(e.currentTarget.value)}
          />
        </label>
        <label class="field">
          <span>{t('rules.query')}</span>
          <textarea
            name="query"
            rows={3}
            value={query}
            required
            readOnly={fixed}
            spellcheck={false}
            aria-invalid={verdict?.valid === false}
            aria-describedby="rule-query-problem"
            placeholder="退款 OR 退钱 -广告"
            onInput={(e) => set_query(e.currentTarget.value)}
          />
        </label>
        <QueryProblem id="rule-query-problem" query={query} verdict={verdict} />
        {valid && verdict.query && (
          <p class="query-ok">
            <span aria-hidden="true">✓</span> {t('rules.understood')} <code>{verdict.query}</code>
          </p>
        )}
        {!fixed && <QueryHelp use={set_query} />}
        <label class="field">
          <span>{t('rules.description')}</span>
          <input
            name="description"
            value={description}
            maxLength={300}
            readOnly={fixed}
            onInput={(e) => set_description(e.currentTarget.value)}
          />
        </label>
        <label class="check">
          <input type="checkbox" checked={enabled} disabled={fixed} onChange={(e) => set_enabled(e.currentTarget.checked)} />
          {t('rules.enabled')}
        </label>
        {!fixed && (
          <footer class="form-foot">
            <button type="submit" class="button button-main" disabled={state === 'busy' || !valid || name.trim() === ''}>
              {t(state === 'busy' ? 'dialog.busy' : 'rules.save')}
            </button>
            {rule !== null && (
              <button type="button" class="button" onClick={() => set_removing(true)}>
                {t('rules.delete')}
              </button>
            )}
            <span role="status" class="query-ok">
              {state === 'saved' && t('rules.saved')}
            </span>
            {problem && (
              <span class="problem" role="alert">
                {error_text(t, problem)}
              </span>
            )}
          </footer>
        )}
      </form>
      <RulePreviewPanel query={query} valid={valid} />
      {removing && rule && remove_dialog(t, rule, () => go(route_hash('rules')), () => set_removing(false))}
    </>
  );
}

export function RuleView({ route }: { route: Route }) {
  const { t } = use_words();
  const fresh = route.id === kNewRule;
  const rule = use_query(`rule ${route.id}`, async (signal) => (fresh ? null : api.rule(route.id, signal)));
  return (
    <main id="content" class="halves" tabIndex={-1}>
      <div class="view-head">
        <p class="crumbs">
          <a href={route_hash('rules')}>{t('nav.rules')}</a>
        </p>
        <h1>{fresh ? t('rules.new') : route.id}</h1>
        {!fresh && <a href={route_hash('topic', `rule:${route.id}`)}>{t('alert.open_topic')}</a>}
      </div>
      {fresh ? (
        <Editor rule={null} start={route.params.get('query') ?? ''} />
      ) : (
        <QueryView query={rule}>
          {(data) => <Editor key={data?.name ?? ''} rule={data} start="" />}
        </QueryView>
      )}
    </main>
  );
}

