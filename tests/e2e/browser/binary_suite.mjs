// SPDX-License-Identifier: Apache-2.0
// The dashboard as the real engine serves it, over the demo stream: a wave must rise, become an
// alert, and stand on the page with its evidence.

import { readFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { Desk, expect, expect_equal } from './desk.mjs';

const kEvents = new URL('../../../src/simulate/demo_events.toml', import.meta.url);

/** A newcomer should see a wave within a minute; a busy machine gets more. */
const kAlertMs = 180_000;

/** What the posts of each planted event talk about: its hashtag, its subject, its details. */
async function planted_events() {
  const blocks = (await readFile(kEvents, 'utf8')).split('[[event]]').slice(1);
  return blocks.map((block) => {
    const told = block.slice(block.indexOf('hashtag'));
    return [...told.matchAll(/"([^"]{4,})"/g)].map((m) => m[1]);
  });
}

/** Whether at least three of the posts talk about one and the same planted event. */
const is_planted = (posts, events) =>
  events.some((said) => posts.filter((p) => said.some((s) => p.text.includes(s))).length >= 3);

const get = async (base, path) => {
  const answer = await fetch(`${base}${path}`);
  expect(answer.ok, `${path} answers 200, not ${answer.status}`);
  return answer.json();
};

const kBundleBytesMax = 500_000;

/** What an engine does not have yet (404) the page does without. */
async function expected_refusals(base) {
  const parts = ['v1/posts/summary', 'v1/sources'];
  const there = await Promise.all(parts.map(async (part) => (await fetch(`${base}/${part}`)).status !== 404));
  return parts.filter((_, i) => !there[i]).map((part) => new RegExp(part));
}

/** Every page, and what must be seen before it counts as there. */
function pages(alert) {
  const key = encodeURIComponent(alert.key);
  return [
    ['now', '#/', '[data-trend]'],
    ['topic', `#/topic/${key}`, '.tile-map a'],
    ['topic-finance', '#/topic/finance@*', '.chart canvas'],
    ['search', '#/search?topic=finance', '.posts-results .post'],
    ['inbox', '#/alerts', '.alert-row'],
    ['delivery', '#/alerts?tab=delivery', '[data-channel="log"]'],
    ['alert', `#/alerts/${alert.id}`, '[data-evidence]'],
    ['rules', '#/rules', '[data-action="new-rule"]'],
    ['rule', `#/rules/+?query=${encodeURIComponent('今天 OR 投诉')}`, '.preview-verdict'],
    ['models', '#/models', '.model-card'],
    ['system', '#/system', '.latency-bars li'],
  ];
}

export const binary_tests = {
  async 'the bundle is small'({ base }) {
    const page = await (await fetch(`${base}/`)).text();
    const parts = [...page.matchAll(/(?:src|href)="\.\/([^"]+)"/g)].map((m) => m[1]);
    expect(parts.length >= 3, `the page names its parts: ${parts}`);
    let bytes = gzipSync(page).length;
    for (const part of parts) bytes += gzipSync(Buffer.from(await (await fetch(`${base}/${part}`)).arrayBuffer())).length;
    expect(bytes <= kBundleBytesMax, `at most ${kBundleBytesMax} bytes gzipped, not ${bytes}`);
  },

  async 'the page comes under a strict policy'({ base }) {
    const answer = await fetch(`${base}/`);
    expect_equal(answer.status, 200, 'status of /');
    const policy = answer.headers.get('content-security-policy') ?? '';
    expect(policy.includes("default-src 'self'"), `a policy of 'self' on /, not "${policy}"`);
    expect(!policy.includes('unsafe'), `nothing unsafe in "${policy}"`);
  },

  async 'the planted wave is on the page with three posts of evidence'({ browser, base, shots }) {
    const desk = await Desk.open(browser, base, { shots });
    await desk.go('');
    await desk.until('the stream', async () => (await desk.text('[data-connection]')) === '实时', 30_000);
    await desk.until('posts a second', async () => Number((await desk.text('[data-vital="rate"]')).replace(',', '')) > 0, 60_000);
    const events = await planted_events();
    expect(events.length > 0 && events.every((said) => said.length > 2), `events in ${kEvents}`);
    const id = await desk.until(
      'an alert of a planted wave with three evidence posts',
      async () => {
        for (const alert of await desk.page.locator('article[data-alert]').all()) {
          const id = await alert.getAttribute('data-alert');
          if (!is_planted((await get(base, `/v1/alerts/${id}`)).evidence_posts, events)) continue;
          if ((await alert.locator('[data-evidence]').count()) >= 3) return id;
          const unfold = alert.locator('button[aria-expanded="false"]');
          if ((await unfold.count()) > 0) await unfold.click();
        }
        return null;
      },
      kAlertMs,
    );
    await desk.page.evaluate(() => window.scrollTo(0, 0));
    await desk.see('[data-trend]');
    await desk.shot('demo-now-light-zh');

    const alert = await get(base, `/v1/alerts/${id}`);
    expect(alert.evidence.length >= 3, 'the API names at least three');
    const shown = await desk.page.locator(`[data-alert="${id}"] [data-evidence]`).evaluateAll((all) => all.map((e) => e.dataset.post));
    const known = new Set(alert.evidence_posts.map((p) => p.id));
    expect(shown.every((p) => known.has(p)), `what is shown (${shown}) is what the API gives (${[...known]})`);
    for (const post of alert.evidence_posts) {
      expect_equal((await get(base, `/v1/posts/${encodeURIComponent(post.id)}`)).id, post.id, 'an evidence post by its id');
    }
    await desk.close();
  },

  async 'its alert, its topic, search and history show it too'({ browser, base, shots }) {
    const { alerts } = await get(base, '/v1/alerts?state=all&limit=50');
    const alert = alerts[0];
    const desk = await Desk.open(browser, base, { shots, lang: 'en-US', theme: 'dark', expected: await expected_refusals(base) });
    await desk.go(`#/alerts/${alert.id}`);
    await desk.until('its evidence', async () => (await desk.count('[data-evidence]')) >= 3);
    await desk.until('charts around it', async () => (await desk.count('.chart canvas')) === 2);
    await desk.shot('demo-alert-dark-en');
    await desk.go(`#/topic/${encodeURIComponent(alert.key)}?range=600`);
    await desk.until('its charts', async () => (await desk.count('.chart canvas')) === 2);
    await desk.see('.posts .post');
    await desk.shot('demo-topic-dark-en');
    await desk.go('#/alerts?tab=all');
    await desk.see(`.alert-row[data-alert="${alert.id}"]`);
    await desk.go('#/');
    await desk.see('[data-trend]');
    await desk.shot('demo-now-dark-en');
    const text = (await get(base, '/v1/posts?limit=50')).posts.map((p) => p.text).find((t) => /[\u4e00-\u9fff]{2}/.test(t));
    const word = /[\u4e00-\u9fff]{2}/.exec(text)[0];
    await desk.go(`#/search?q=${encodeURIComponent(word)}`);
    await desk.see('.posts-results .post');
    await desk.shot('demo-search-dark-en');
    await desk.close();
  },

  async 'every page, in both languages and themes and on a phone: clean, accessible, nothing cut off'({ browser, base, shots }) {
    const { alerts } = await get(base, '/v1/alerts?state=all&limit=50');
    const wrong = [];
    const expected = await expected_refusals(base);
    const kDesks = [
      ['zh-CN', 'light', 1440, 1000],
      ['en-US', 'dark', 1440, 1000],
      ['zh-CN', 'dark', 390, 844],
      ['en-US', 'light', 390, 844],
    ];
    for (const [lang, theme, width, height] of kDesks) {
      const desk = await Desk.open(browser, base, { lang, theme, width, height, shots, expected });
      for (const [name, hash, there] of pages(alerts[0])) {
        await desk.go(hash);
        await desk.see(there);
        // On a phone the mock's suite asks axe.
        const found = width > 1000 ? await desk.accessibility() : [];
        for (const line of found) wrong.push(`${name} ${lang} ${theme}: ${line}`);
        const over = await desk.overflow();
        if (over !== '') wrong.push(`${name} ${lang} at ${width}: ${over}`);
        await desk.shot(`page-${name}-${theme}-${lang.slice(0, 2)}-${width}`, true);
      }
      await desk.close();
    }
    expect(wrong.length === 0, `no findings, but\n    ${wrong.join('\n    ')}`);
  },

  async 'a rule is made, previewed by a replay, watched and deleted'({ browser, base }) {
    const desk = await Desk.open(browser, base, { lang: 'en-US', expected: await expected_refusals(base) });
    await desk.go('#/rules/+');
    await desk.page.locator('textarea[name="query"]').fill('今天 OR (');
    await desk.see('.query-problem');
    await desk.page.locator('textarea[name="query"]').fill('今天 OR 投诉');
    await desk.see('.preview-verdict');
    expect(/[1-9][\d,]* posts match of [\d,]+/.test(await desk.text('.preview-verdict')), await desk.text('.preview-verdict'));
    await desk.page.locator('input[name="name"]').fill('browser test');
    await desk.page.getByRole('button', { name: 'Save' }).click();
    await desk.until('the engine has it', async () => (await get(base, '/v1/rules')).rules.some((r) => r.name === 'browser test' && r.enabled));
    await desk.go('#/rules');
    await desk.page.locator('[data-rule="browser test"] .link-button').click();
    await desk.page.locator('[data-action="confirm"]').click();
    await desk.until('it is gone', async () => (await get(base, '/v1/rules')).rules.length === 0);
    await desk.close();
  },

  async 'an acknowledgement is kept'({ browser, base }) {
    const { alerts } = await get(base, '/v1/alerts?state=open&limit=50');
    const open = alerts.find((a) => a.state === 'open');
    expect(open !== undefined, 'an open alert');
    const desk = await Desk.open(browser, base);
    await desk.go(`#/alerts/${open.id}`);
    await desk.page.locator('.button-main').click();
    await desk.see('.acked');
    await desk.page.reload();
    await desk.see('.acked');
    await desk.close();
  },

  async 'it fits a phone'({ browser, base, shots }) {
    const desk = await Desk.open(browser, base, { width: 390, height: 844, shots });
    await desk.go('');
    await desk.see('[data-trend]');
    expect_equal(await desk.overflow(), '', 'nothing to scroll sideways for');
    await desk.shot('demo-phone-zh');
    await desk.close();
  },
};
