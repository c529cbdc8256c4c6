// SPDX-License-Identifier: Apache-2.0
// What single pages do, against the mock server: search, rules, models, alerts by keyboard, system,
// settings, the tour. Each test leaves the mock as it found it.

import { Desk, expect, expect_equal } from './desk.mjs';

const address = (desk) => decodeURIComponent(new URL(desk.page.url()).hash);

const set_mode = async (base, mode) => {
  const answer = await fetch(`${base}/mock/mode?set=${mode}`, { method: 'POST' });
  expect(answer.ok, `mode ${mode}`);
};

export const page_tests = {
  async 'rules, models, system, delivery: what they say when there is nothing, or no answer'({ browser, base, shots }) {
    const kPages = ['#/rules', '#/models', '#/system', '#/alerts?tab=delivery', '#/rules/退款潮'];
    await set_mode(base, 'error');
    try {
      const desk = await Desk.open(browser, base, { shots, lang: 'en-US', expected: [/503/] });
      for (const hash of kPages) {
        await desk.go(hash);
        await desk.until(`the reason in ${hash}`, async () => (await desk.text('main')).includes('the disk is full'));
      }
      await desk.go('#/system');
      await desk.see('.failed');
      await desk.shot('system-error-light-en');
      await set_mode(base, 'normal');
      await desk.until('it comes back by itself', async () => (await desk.count('.latency-bars li')) > 0);
      await desk.close();
      await set_mode(base, 'empty');
      const other = await Desk.open(browser, base, { lang: 'en-US' });
      await other.go('#/rules');
      await other.until('no rules', async () => (await other.text('main')).includes('No rules yet'));
      await other.go('#/alerts?tab=delivery');
      await other.until('no messages', async () => (await other.text('main')).includes('Nothing waits'));
      await other.go('#/search?q=x');
      await other.until('no posts', async () => (await other.text('main')).includes('No post matches'));
      await other.close();
    } finally {
      await set_mode(base, 'normal');
    }
  },

  async 'search: Boolean words, facets, time brush'({ browser, base, shots }) {
    const desk = await Desk.open(browser, base, { shots, expected: [/400/] });
    await desk.go('#/search?q=退款 OR 航班');
    await desk.see('.posts-results .post mark');
    const texts = await desk.page.locator('.posts-results .post-text').allInnerTexts();
    expect(texts.every((t) => /退款|航班/.test(t)), 'either word is in each');
    await desk.see('.search-facets [data-facet="topic"] button');
    const facet = desk.page.locator('[data-facet="topic"] button').first();
    const told = Number((await facet.locator('.facet-count').innerText()).replace(/,/g, ''));
    await facet.click();
    await desk.until('the facet is in the address', () => address(desk).includes('topic='));
    await desk.until('its count is the total', async () => {
      const total = Number(/[\d,]+/.exec(await desk.text('.search-count'))?.[0].replace(/,/g, ''));
      return total >= told; // more may have come since
    });
    expect_equal(await desk.page.locator('[data-facet="topic"] button').first().getAttribute('aria-pressed'), 'true', 'it is pressed');
    await desk.go('#/search?q=-没有这个词');
    const box = await (await desk.page.waitForSelector('.can-brush')).boundingBox();
    await desk.page.mouse.move(box.x + box.width * 0.5, box.y + 20);
    await desk.page.mouse.down();
    await desk.page.mouse.move(box.x + box.width * 0.75, box.y + 20, { steps: 4 });
    await desk.shot('search-brush-light-zh');
    await desk.page.mouse.up();
    await desk.until('the time is in the address', () => /since=20.*until=20/.test(address(desk)));
    await desk.see('input[name="since-at"]');
    const until = Date.parse(/until=([^&]+)/.exec(address(desk))[1]);
    await desk.until('only posts of that time', async () => {
      const times = await desk.page.locator('.posts-results time').evaluateAll((all) => all.map((e) => Date.parse(e.dateTime)));
      return times.length > 0 && times.every((t) => t < until);
    });
    await desk.close();
  },

  async 'search: a search that ran out of time says so, how far it looked, and goes on'({ browser, base, shots }) {
    const desk = await Desk.open(browser, base, { shots, lang: 'en-US' });
    await desk.go(`#/search?q=${encodeURIComponent('/今天/')}`);
    await desk.see('.search-incomplete');
    const said = await desk.text('.search-incomplete');
    expect(/Partial result.*looked back to .*\d.*pattern/.test(said), said);
    expect((await desk.text('.search-found')).includes('Nothing was found so far.'), 'it is not said that there is none');
    await desk.shot('search-incomplete-light-en');
    await desk.page.locator('.list-end button').click();
    await desk.see('.posts-results .post');
    await desk.until('what was looked at is whole now', async () => (await desk.count('.search-incomplete')) === 0);
    await desk.close();
    const chinese = await Desk.open(browser, base, { shots, lang: 'zh-CN' });
    await chinese.go(`#/search?q=${encodeURIComponent('/今天/')}`);
    await chinese.see('.search-incomplete');
    expect((await chinese.text('.search-incomplete')).includes('部分结果'), await chinese.text('.search-incomplete'));
    await chinese.shot('search-incomplete-light-zh');
    await chinese.close();
  },

  async 'search: what is wrong is shown where it is wrong'({ browser, base, shots }) {
    const desk = await Desk.open(browser, base, { shots, lang: 'en-US', expected: [/400/] });
    await desk.go('#/search');
    await desk.page.locator('#search-q').fill('退款 OR (航班');
    await desk.see('.query-problem');
    expect((await desk.text('.query-problem')).includes('Character 10:'), `the column: ${await desk.text('.query-problem')}`);
    expect_equal(await desk.page.locator('#search-q').getAttribute('aria-invalid'), 'true', 'the field says so');
    await desk.shot('search-problem-light-en');
    await desk.page.keyboard.type(')');
    await desk.until('it is right', async () => (await desk.count('.query-problem')) === 0);
    await desk.page.keyboard.press('Enter');
    await desk.see('.posts-results .post mark');
    await desk.close();
  },

  async 'search: the live tail brings new posts by itself'({ browser, base }) {
    const desk = await Desk.open(browser, base);
    await desk.go('#/search?topic=entertainment');
    await desk.see('.posts-results .post');
    const first = await desk.page.locator('.posts-results .post').first().getAttribute('data-post');
    await desk.page.locator('[data-action="tail"]').click();
    await desk.until('newer ones', async () => (await desk.page.locator('.posts-results .post').first().getAttribute('data-post')) !== first);
    expect(address(desk).includes('live=1'), 'it is in the address');
    const topics = await desk.page.locator('.posts-results .post-meta a[href^="#/topic"]').allInnerTexts();
    expect(topics.every((t) => t === '娱乐'), 'the filter holds');
    await desk.close();
  },

  async 'rules: made with a preview, switched off, deleted'({ browser, base, shots }) {
    const desk = await Desk.open(browser, base, { shots, lang: 'en-US', theme: 'dark' });
    await desk.go('#/rules');
    await desk.see('[data-rule="退款潮"]');
    expect(await desk.page.locator('[data-rule="广东负面"] .switch').isDisabled(), 'a rule of the configuration is read-only');
    await desk.shot('rules-dark-en');
    await desk.page.locator('[data-action="new-rule"]').click();
    await desk.page.locator('input[name="name"]').fill('测试规则');
    await desk.page.locator('textarea[name="query"]').fill('退款 OR');
    await desk.see('.query-problem');
    expect(await desk.page.getByRole('button', { name: 'Save' }).isDisabled(), 'a wrong query cannot be saved');
    await desk.page.locator('textarea[name="query"]').fill('退款 OR 航班取消');
    await desk.until('how often it would have fired', async () => /would have fired|would not have fired/.test(await desk.text('.panel-preview')));
    await desk.see('.panel-preview .post');
    await desk.shot('rule-new-dark-en');
    await desk.page.getByRole('button', { name: 'Save' }).click();
    await desk.until('its own address', () => address(desk) === '#/rules/测试规则');
    await desk.go('#/rules');
    const row = '[data-rule="测试规则"]';
    await desk.page.locator(`${row} .switch`).click();
    await desk.until('it is off', async () => (await desk.page.locator(`${row} .switch`).getAttribute('aria-checked')) === 'false');
    await desk.page.locator(`${row} .link-button`).click();
    await desk.see('dialog[open]');
    await desk.page.keyboard.press('Escape');
    await desk.until('Escape keeps it', async () => (await desk.count('dialog[open]')) === 0);
    await desk.see(row);
    await desk.page.locator(`${row} .link-button`).click();
    await desk.page.locator('[data-action="confirm"]').click();
    await desk.until('it is gone', async () => (await desk.count(row)) === 0);
    await desk.close();
  },

  async 'models: a refusal shows its figures, a swap and a canary are asked about first'({ browser, base, shots }) {
    const desk = await Desk.open(browser, base, { shots, lang: 'en-US', expected: [/409/] });
    await desk.go('#/models');
    await desk.see('.published tbody tr');
    const published = await desk.text('.published');
    for (const part of ['SMP2020 usual, evaluation', 'emotion', '77.2%', '74.9%', '1,978', 'Toutiao headlines, dev', 'topic', '81.2%']) {
      expect(published.includes(part), `the published accuracy says ${part}`);
    }
    await desk.shot('models-published-light-en');
    const engine = desk.page.locator('input[name="engine"]');
    await engine.fill('broken.engine');
    await desk.page.locator('[data-action="swap"]').click();
    await desk.see('dialog[open]');
    await desk.page.locator('[data-action="confirm"]').click();
    await desk.see('.swap-outcome.is-refused');
    expect((await desk.text('.swap-outcome')).includes('92.9% → 50.0%'), 'the accuracy of both');
    await engine.fill('v2.engine');
    await desk.page.locator('[data-action="canary"]').click();
    await desk.page.locator('[data-action="confirm"]').click();
    await desk.see('.canary .tag-on');
    await desk.shot('models-canary-light-en');
    await desk.page.locator('[data-action="end"]').click();
    await desk.page.locator('[data-action="confirm"]').click();
    await desk.until('it ended', async () => (await desk.count('.canary .tag-on')) === 0);
    await desk.page.locator('[data-action="swap"]').click();
    await desk.page.locator('[data-action="confirm"]').click();
    await desk.until('the new version', async () => (await desk.text('.swap-outcome')).includes('2026.11.1 → v2'));
    await desk.until('weights without figures say so', async () => (await desk.text('.published')).includes('No accuracy was published'));
    await desk.page.locator('[data-action="rollback"]').click();
    await desk.page.locator('[data-action="confirm"]').click();
    await desk.until('the old one', async () => (await desk.text('.swap-outcome')).includes('v2 → 2026.11.1'));
    await desk.close();
  },

  async 'alerts by keyboard, with a name and a note; dead letters'({ browser, base, shots }) {
    const desk = await Desk.open(browser, base, { shots, lang: 'en-US' });
    await desk.go('#/alerts');
    const row = '.alert-row[data-alert]';
    await desk.see(row);
    await desk.page.keyboard.press('j');
    const id = await desk.page.evaluate(() => document.activeElement.closest('.alert-row')?.dataset.alert);
    expect(id !== undefined, 'j goes to the first alert');
    await desk.shot('inbox-light-en');
    await desk.page.keyboard.press('Enter');
    await desk.see('.alert-note');
    await desk.page.keyboard.press(',');
    await desk.page.locator('dialog input').fill('李');
    await desk.page.keyboard.press('Escape');
    await desk.page.locator('.alert-note').fill('called the shop');
    await desk.page.locator('.alert [data-action="escalate"], .alert [data-action="reopen"]').first().click();
    await desk.until('who and why', async () => /李.*called the shop/s.test(await desk.text('.alert-history')));
    await desk.page.locator('select[data-action="mute"]').selectOption('15');
    await desk.until('it is muted', async () => (await desk.text('.alert-foot')).includes('Muted until'));
    await desk.page.locator('button[data-action="mute"]').click();
    await desk.until('and no more', async () => (await desk.count('select[data-action="mute"]')) === 1);
    await desk.page.locator('.alert [data-action="reopen"]').first().click().catch(() => {}); // as it was
    await desk.go('#/alerts?tab=delivery');
    await desk.see('[data-message="9"].is-dead');
    await desk.shot('delivery-light-en');
    await desk.page.locator('[data-message="9"] [data-action="retry"]').click();
    await desk.see('[data-message="9"].is-waiting');
    await desk.close();
  },

  async 'topic: map, terms, accounts, copies'({ browser, base, shots }) {
    const desk = await Desk.open(browser, base, { shots, lang: 'en-US', theme: 'dark' });
    await desk.go('#/topic/finance@*');
    await desk.until('34 provinces', async () => (await desk.count('.tile-map a')) === 34);
    await desk.until('numbers on the map', async () => /: [1-9][\d,]* posts, \d+% negative|<1% negative/.test(await desk.page.locator('[data-province="广东"]').getAttribute('title')));
    await desk.page.getByRole('button', { name: 'Negative share' }).click();
    await desk.until('shares on the map', async () => /%/.test(await desk.text('[data-province="广东"]')));
    await desk.see('.panel-terms .bar-list li');
    await desk.see('.panel-accounts .bar-list li');
    await desk.see('.panel-copies .copies-list li');
    const report = await desk.page.locator('[data-action="report"]').getAttribute('href');
    expect_equal(new URL(report).search, '?topic=finance%40*&since=24h&lang=en&time_zone=%2B08%3A00', 'the report of this topic');
    await desk.shot('topic-whole-dark-en', true);
    await desk.page.locator('[data-province="广东"]').click();
    await desk.see('[data-topic="finance@广东"]');
    await desk.close();
  },

  async 'system: stages, histogram of a stage'({ browser, base, shots }) {
    const desk = await Desk.open(browser, base, { shots });
    await desk.go('#/system');
    await desk.until('seven stages and two connectors', async () => (await desk.count('tbody tr')) === 9);
    expect((await desk.text('[data-source="news"]')).includes('503'), 'what a connector complains of');
    await desk.see('.latency-bars li');
    await desk.page.getByRole('button', { name: '推理', exact: true }).click();
    await desk.until('in the address', () => address(desk).includes('stage=infer'));
    await desk.shot('system-light-zh');
    await desk.close();
  },

  async 'keys: go, settings, theme of the machine, times, the sheet'({ browser, base, shots }) {
    const desk = await Desk.open(browser, base, { shots, lang: 'en-US' });
    await desk.go('#/');
    await desk.see('.panel-trends table');
    for (const [key, hash] of [['s', '#/search'], ['r', '#/rules'], ['m', '#/models'], ['y', '#/system'], ['a', '#/alerts'], ['n', '#/']]) {
      await desk.page.keyboard.press('g');
      await desk.page.keyboard.press(key);
      await desk.until(`g ${key}`, () => address(desk) === hash);
    }
    await desk.page.keyboard.press('?');
    await desk.see('dialog[open] kbd');
    await desk.shot('keys-light-en');
    for (const line of await desk.accessibility()) throw new Error(`the sheet: ${line}`);
    await desk.page.keyboard.press('Escape');
    await desk.page.keyboard.press('t');
    const theme = () => desk.page.locator('html').getAttribute('data-theme');
    await desk.until('dark', async () => (await theme()) === 'dark');
    await desk.page.keyboard.press(',');
    await desk.page.getByRole('button', { name: 'System', exact: true }).click();
    expect_equal(await theme(), 'light', 'the machine is light');
    await desk.page.emulateMedia({ colorScheme: 'dark' });
    await desk.until('it follows the machine', async () => (await theme()) === 'dark');
    await desk.shot('settings-dark-en');
    for (const line of await desk.accessibility()) throw new Error(`the settings: ${line}`);
    await desk.page.keyboard.press('Escape');
    await desk.until('times ago', async () => /ago|now/.test(await desk.text('.panel-posts .post time')));
    await desk.page.keyboard.press('.');
    await desk.until('times of the clock', async () => /\d\d:\d\d/.test(await desk.text('.panel-posts .post time')));
    await desk.page.keyboard.press('/');
    await desk.see('#search-q');
    await desk.page.keyboard.press('/');
    await desk.page.keyboard.type('g n');
    expect_equal(await desk.page.locator('#search-q').inputValue(), 'g n', 'keys typed into a field are text');
    await desk.go('#/');
    await desk.see('.panel-trends table');
    await desk.page.evaluate(() => {
      new MutationObserver((_, observer) => {
        const field = document.getElementById('search-q');
        if (!field) return;
        observer.disconnect();
        field.value = 'typed at once';
        field.dispatchEvent(new Event('input', { bubbles: true }));
      }).observe(document.body, { childList: true, subtree: true });
    });
    await desk.page.keyboard.press('/');
    await desk.see('.search-form');
    await desk.page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
    expect_equal(await desk.page.locator('#search-q').inputValue(), 'typed at once', 'the first paint takes no text away');
    await desk.close();
  },

  async 'the tour opens on a first visit, ends, and comes back when asked'({ browser, base, shots }) {
    const desk = await Desk.open(browser, base, { shots, tour: true });
    await desk.go('');
    await desk.see('.tour-card');
    for (const line of await desk.accessibility()) throw new Error(`the tour: ${line}`);
    await desk.see('.panel-trends table');
    await desk.page.locator('[data-action="tour-next"]').click();
    await desk.page.keyboard.press('ArrowRight');
    await desk.until('the third stop', async () => (await desk.page.locator('.tour').getAttribute('data-tour-stop')) === '2');
    await desk.shot('tour-light-zh');
    await desk.page.keyboard.press('Escape');
    await desk.until('it is gone', async () => (await desk.count('.tour')) === 0);
    await desk.page.reload();
    await desk.see('.panel-trends table');
    await desk.page.waitForResponse((r) => r.url().includes('/v1/trends'));
    expect_equal(await desk.count('.tour'), 0, 'once is enough');
    await desk.page.locator('[data-action="settings"]').click();
    await desk.page.getByRole('button', { name: '导览' }).click();
    for (let i = 0; i < 7; ++i) await desk.page.locator('[data-action="tour-next"]').click();
    await desk.until('it ends at its end', async () => (await desk.count('.tour')) === 0);
    await desk.close();
  },
};
