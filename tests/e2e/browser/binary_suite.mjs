// SPDX-License-Identifier: Apache-2.0
// The dashboard as the real engine serves it, over the demo stream: a wave must rise, become an
// alert, and stand on the page with its evidence.

import { readFile } from 'node:fs/promises';
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

export const binary_tests = {
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
    const desk = await Desk.open(browser, base, { shots, lang: 'en-US', theme: 'dark' });
    await desk.go(`#/alerts/${alert.id}`);
    await desk.until('its evidence', async () => (await desk.count('[data-evidence]')) >= 3);
    await desk.until('charts around it', async () => (await desk.count('.chart canvas')) === 2);
    await desk.shot('demo-alert-dark-en');
    await desk.go(`#/topic/${encodeURIComponent(alert.key)}?range=600`);
    await desk.until('its charts', async () => (await desk.count('.chart canvas')) === 2);
    await desk.see('.posts .post');
    await desk.shot('demo-topic-dark-en');
    await desk.go('#/alerts');
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
