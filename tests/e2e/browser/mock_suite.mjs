// SPDX-License-Identifier: Apache-2.0
// The whole dashboard against the mock server: every view, both languages, both themes, a phone,
// every way in which the engine can fail, accessibility, and texts that mean harm.

import { fileURLToPath } from 'node:url';
import { Desk, expect, expect_equal } from './desk.mjs';
import { start_server } from './server.mjs';

const kMock = fileURLToPath(new URL('../../../web/dev/mock-server.mjs', import.meta.url));
const kAlert = '[data-alert][data-key="finance@广东"]';

/** A mock whose first wave is already up: its alert opens with the first tick. */
export const start_mock = (...args) =>
  start_server(process.execPath, [kMock, '--port', '0', '--wave-after=-28', ...args]);

const set_mode = async (base, mode) => {
  const answer = await fetch(`${base}/mock/mode?set=${mode}`, { method: 'POST' });
  expect(answer.ok, `mode ${mode}`);
};

const kRefused = [/Failed to load resource/, /ERR_/];

/** The views with their addresses, and what must be seen before a view counts as there. */
async function views(base) {
  const { alerts } = await (await fetch(`${base}/v1/alerts?state=open`)).json();
  const alert = alerts.find((a) => a.key === 'finance@广东');
  return [
    ['now', '#/', `${kAlert} [data-evidence]`],
    ['topic', '#/topic/finance@*', '.chart canvas'],
    ['alerts', '#/alerts?tab=all', '.alert-row'],
    ['alert', `#/alerts/${alert.id}`, '[data-evidence]'],
    ['search', '#/search?q=退款', '.posts-results .post mark'],
    ['rules', '#/rules', '.rule-row'],
    ['rule', '#/rules/退款潮', '.panel-preview .histogram'],
    ['models', '#/models', '.model-card'],
    ['system', '#/system', '.latency-bars li'],
    ['delivery', '#/alerts?tab=delivery', '[data-message]'],
    ['missing', '#/nowhere', 'main h1'],
  ];
}

async function alert_opens(base) {
  const end = Date.now() + 20_000;
  for (;;) {
    const { alerts } = await (await fetch(`${base}/v1/alerts?state=open`)).json();
    if (alerts.some((a) => a.key === 'finance@广东' && a.evidence.length >= 3)) return;
    if (Date.now() > end) throw new Error('the mock opened no alert');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

export const mock_tests = {
  async 'now: an alert with its evidence, trends, charts, live posts'({ browser, base, shots }) {
    const desk = await Desk.open(browser, base, { shots });
    await desk.go('');
    await desk.see(kAlert);
    await desk.until('three evidence posts', async () => (await desk.count(`${kAlert} [data-evidence]`)) >= 3);
    expect((await desk.text(`${kAlert} .alert-head`)).includes('财经 · 广东'), 'the alert is named in Chinese');
    expect((await desk.text(`${kAlert} [data-evidence] .post-text`)).length > 0, 'evidence has text');
    await desk.until('the stream', async () => (await desk.text('[data-connection]')) === '实时');
    await desk.until('posts a second', async () => Number(await desk.text('[data-vital="rate"]')) > 0);
    expect(Number(await desk.text('[data-vital="p99"]')) > 0, 'a P99');
    expect_equal(await desk.text('[data-vital="ready"]'), '就绪', 'ready state');
    expect_equal(await desk.text('[data-vital="model"]'), 'base', 'model');
    await desk.until('ten trends', async () => (await desk.count('[data-trend]')) === 10);
    await desk.until('five lines of negative share', async () => (await desk.count('.line-legend li')) === 5);
    await desk.until('three charts', async () => (await desk.count('.now .chart canvas')) === 3);
    expect_equal(await desk.count('.panel-emotions .emotion-legend li'), 6, 'six emotions');
    const first = await desk.until('a live post', () => desk.page.locator('.panel-posts .post').first().getAttribute('data-post'));
    await desk.until('newer live posts', async () => (await desk.page.locator('.panel-posts .post').first().getAttribute('data-post')) !== first);
    await desk.until('the title counts', async () => (await desk.page.title()).startsWith('(1)'));
    expect_equal(await desk.page.locator('html').getAttribute('lang'), 'zh-CN', 'the page says its language');
    await desk.shot('now-light-zh');
    await desk.close();
  },

  async 'the charts are drawn, not blank'({ browser, base }) {
    const desk = await Desk.open(browser, base);
    await desk.go('#/topic/finance@*');
    await desk.until('two charts with many colours', async () => {
      const inks = await desk.page.locator('.chart canvas').evaluateAll((all) =>
        all.map((canvas) => {
          const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
          const seen = new Set();
          for (let i = 0; i < data.length; i += 4) if (data[i + 3] > 200) seen.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
          return seen.size;
        }),
      );
      return inks.length === 2 && inks.every((n) => n > 12);
    });
    await desk.close();
  },

  async 'posts can be held still'({ browser, base }) {
    const desk = await Desk.open(browser, base);
    await desk.go('');
    await desk.see('.panel-posts .post');
    await desk.page.getByRole('button', { name: '暂停' }).click();
    const held = await desk.page.locator('.panel-posts .post').first().getAttribute('data-post');
    await desk.until('new ones are counted', async () => /[1-9]\d* 条新帖/.test(await desk.text('.panel-posts .hint')));
    expect_equal(await desk.page.locator('.panel-posts .post').first().getAttribute('data-post'), held, 'the list stands still');
    await desk.page.getByRole('button', { name: '继续' }).click();
    await desk.until('it goes on', async () => (await desk.page.locator('.panel-posts .post').first().getAttribute('data-post')) !== held);
    await desk.close();
  },

  async 'language and theme follow the browser, then the person'({ browser, base, shots }) {
    const desk = await Desk.open(browser, base, { lang: 'en-US', theme: 'dark', shots });
    await desk.go('');
    await desk.see(`${kAlert} [data-evidence]`);
    const root = desk.page.locator('html');
    expect_equal([await root.getAttribute('lang'), await root.getAttribute('data-theme')], ['en', 'dark'], 'at first');
    expect((await desk.text(`${kAlert} .alert-head`)).includes('Finance · Guangdong'), 'the alert is named in English');
    await desk.see('[data-trend]');
    await desk.shot('now-dark-en');
    await desk.page.locator('[data-action="language"]').click();
    await desk.page.locator('[data-action="theme"]').click();
    await desk.page.reload();
    await desk.see(kAlert);
    expect_equal([await root.getAttribute('lang'), await root.getAttribute('data-theme')], ['zh-CN', 'light'], 'after the choice');
    await desk.close();
  },

  async 'a trend leads to its topic and back leads home'({ browser, base, shots }) {
    const desk = await Desk.open(browser, base, { shots });
    await desk.go('#/?kind=hashtag');
    await desk.see('[data-trend^="#"]');
    await desk.page.getByRole('button', { name: '话题', exact: true }).click();
    await desk.page.locator('[data-trend="finance@*"] a').click();
    await desk.see('[data-topic="finance@*"]');
    expect(decodeURIComponent(new URL(desk.page.url()).hash) === '#/topic/finance@*', 'its address');
    await desk.until('two charts', async () => (await desk.count('.chart canvas')) === 2);
    await desk.see(`${kAlert}`);
    await desk.see('.column .posts .post');
    const topics = await desk.page.locator('.posts .post .post-meta a[href^="#/topic"]').allInnerTexts();
    expect(topics.length > 0 && topics.every((t) => t === '财经'), 'only posts of the topic');
    await desk.page.getByRole('button', { name: '10 分钟' }).click();
    await desk.until('the range is in the address', () => desk.page.url().includes('range=600'));
    await desk.see('.chart canvas');
    await desk.shot('topic-light-zh');
    await desk.page.goBack();
    await desk.see('.now');
    await desk.go('#/topic/%23退款难%23');
    await desk.see('.posts .post');
    await desk.close();
  },

  async 'search: words, filters, pages, nothing'({ browser, base, shots }) {
    const desk = await Desk.open(browser, base, { shots });
    await desk.go('#/search');
    await desk.page.locator('#search-q').fill('退款');
    await desk.page.keyboard.press('Enter');
    await desk.until('the address', () => decodeURIComponent(desk.page.url()).includes('q=退款'));
    await desk.see('.posts-results mark');
    const texts = await desk.page.locator('.posts-results .post-text').allInnerTexts();
    expect(texts.length > 3 && texts.every((t) => t.includes('退款')), 'every post has the word');
    await desk.page.locator('select[name="emotion"]').selectOption('angry');
    await desk.until('only angry ones', async () => {
      const chips = await desk.page.locator('.posts-results .chip').allInnerTexts();
      return chips.length > 0 && chips.every((c) => c.trim() === '愤怒');
    });
    await desk.shot('search-light-zh');
    await desk.go('#/search?topic=sports');
    await desk.until('a page', async () => (await desk.count('.posts-results .post')) === 50);
    await desk.page.getByRole('button', { name: '加载更多' }).click();
    await desk.until('two pages', async () => (await desk.count('.posts-results .post')) === 100);
    const ids = await desk.page.locator('.posts-results .post').evaluateAll((all) => all.map((e) => e.dataset.post));
    expect_equal(new Set(ids).size, 100, 'no post twice');
    await desk.go('#/search?q=没有这个词吧');
    await desk.until('word that there is none', async () => (await desk.text('main')).includes('没有符合条件的帖子'));
    await desk.close();
  },

  async 'alerts: history, pages, one alert, none'({ browser, base, shots }) {
    const desk = await Desk.open(browser, base, { shots, lang: 'en-US', theme: 'dark', expected: [/404/] });
    await desk.go('#/alerts?tab=all');
    await desk.until('a page', async () => (await desk.count('.alert-row')) >= 50);
    const before = await desk.count('.alert-row');
    await desk.shot('alerts-dark-en');
    await desk.page.getByRole('button', { name: 'Load more' }).click();
    await desk.until('more', async () => (await desk.count('.alert-row')) > before);
    await desk.page.getByRole('button', { name: 'History' }).click();
    await desk.until('only closed ones', async () => (await desk.count('.alert-row')) > 0 && (await desk.count('.alert-row:not(.is-closed)')) === 0);
    await desk.page.locator('.alert-row a').first().click();
    await desk.until('its evidence', async () => (await desk.count('[data-evidence]')) === 4);
    await desk.until('what was around it', async () => (await desk.count('.chart canvas')) === 2);
    await desk.go('#/alerts/al_0000000000000000');
    await desk.until('word that there is none', async () => (await desk.text('main')).includes('There is no such alert'));
    await desk.close();
  },

  async 'an engine out of reach, and back, without a reload'({ browser, base, shots }) {
    const desk = await Desk.open(browser, base, { shots, expected: kRefused });
    const resumed_from = [];
    desk.page.on('request', (r) => r.url().endsWith('/v1/live') && resumed_from.push(r.headers()['last-event-id']));
    await desk.go('');
    await desk.see(`${kAlert} [data-evidence]`);
    const since = Date.now();
    await desk.until('an alert event', async () => {
      const { alerts } = await (await fetch(`${base}/v1/alerts?state=open`)).json();
      return alerts.some((a) => Date.parse(a.updated_at) > since);
    });
    await set_mode(base, 'down');
    try {
      await desk.see('.banner-lost');
      expect_equal(await desk.page.locator('[data-connection]').getAttribute('data-connection'), 'waiting', 'state');
      await desk.see(kAlert);
      await desk.until('the trends say that they are old', async () => (await desk.count('.panel-trends .stale')) === 1);
      await desk.shot('disconnected-light-zh');
    } finally {
      await set_mode(base, 'normal');
    }
    await desk.page.getByRole('button', { name: '立即重试' }).click().catch(() => {}); // it may be back already
    await desk.until('the stream again', async () => (await desk.text('[data-connection]')) === '实时');
    await desk.until('the banner gone', async () => (await desk.count('.banner-lost')) === 0);
    await desk.until('the trends fresh', async () => (await desk.count('.panel-trends .stale')) === 0);
    expect(resumed_from[0] === undefined, 'the first connection starts afresh');
    expect((resumed_from.at(-1) ?? '').startsWith('al_'), `the last one resumes: ${resumed_from}`);
    await desk.close();
  },

  async 'an engine with nothing to tell'({ browser, base, shots }) {
    await set_mode(base, 'empty');
    try {
      const desk = await Desk.open(browser, base, { shots });
      await desk.go('');
      await desk.until('calm', async () => (await desk.text('.panel-alerts')).includes('风平浪静'));
      await desk.until('no trends', async () => (await desk.text('.panel-trends')).includes('没有变化明显的话题'));
      await desk.until('no lines', async () => (await desk.text('.panel-negative')).includes('帖子太少'));
      await desk.until('no posts', async () => (await desk.text('.panel-posts')).includes('等待帖子'));
      await desk.shot('empty-light-zh');
      await desk.go('#/topic/finance@*');
      await desk.until('no points', async () => (await desk.text('main')).includes('这段时间没有帖子'));
      await desk.go('#/alerts?tab=all');
      await desk.until('no alerts', async () => (await desk.text('main')).includes('没有预警'));
      await desk.close();
    } finally {
      await set_mode(base, 'normal');
    }
  },

  async 'an engine that answers with errors'({ browser, base, shots }) {
    await set_mode(base, 'error');
    try {
      const desk = await Desk.open(browser, base, { shots, lang: 'en-US', expected: [/503/] });
      await desk.go('');
      await desk.until('the reason', async () => (await desk.text('.panel-trends')).includes('the disk is full'));
      await desk.see('.banner-lost');
      expect(!(await desk.text('main')).includes('All calm'), 'no all-clear from an engine that is not there');
      await desk.go('#/search?q=x');
      await desk.until('the reason in search', async () => (await desk.text('main')).includes('the disk is full'));
      await set_mode(base, 'normal');
      await desk.page.locator('.failed button').click();
      await desk.until('it loads', async () => (await desk.count('.failed')) === 0);
      await desk.close();
    } finally {
      await set_mode(base, 'normal');
    }
  },

  async 'an engine that is slow, and one that is not ready'({ browser, base }) {
    await set_mode(base, 'slow');
    try {
      const desk = await Desk.open(browser, base);
      await desk.go('');
      await desk.see('.panel-trends .loading');
      await desk.see('.panel-trends table');
      await desk.close();
      await set_mode(base, 'not-ready');
      const other = await Desk.open(browser, base);
      await other.go('');
      await other.see('.banner-wait');
      expect_equal(await other.text('[data-vital="ready"]'), '未就绪', 'ready state');
      await other.close();
    } finally {
      await set_mode(base, 'normal');
    }
  },

  async 'text that means harm stays text'({ browser, base }) {
    await set_mode(base, 'hostile');
    try {
      for (const [name, hash, there] of await views(base)) {
        const desk = await Desk.open(browser, base);
        await desk.go(hash.replace('?q=退款', ''));
        await desk.see(there.replace(' mark', ''));
        if (['now', 'alert', 'search', 'topic'].includes(name)) {
          await desk.until('the markup as text', async () => name === 'topic' || (await desk.text('main')).includes('<img src=x onerror='));
        }
        expect_equal(await desk.count('main img, main script, main iframe, [href^="javascript"]'), 0, `elements made from data in ${name}`);
        expect(/^(\(\d+\) )?观潮 Tidewatch$/.test(await desk.page.title()), `no script ran in ${name}`);
        await desk.close();
      }
    } finally {
      await set_mode(base, 'normal');
    }
  },

  async 'the keyboard reaches everything and shows where it is'({ browser, base }) {
    const desk = await Desk.open(browser, base);
    await desk.go('');
    await desk.see(`${kAlert} button`);
    await desk.page.keyboard.press('Tab');
    expect_equal(await desk.page.evaluate(() => document.activeElement.className), 'skip', 'first stop');
    await desk.page.keyboard.press('Enter');
    expect_equal(await desk.page.evaluate(() => document.activeElement.id), 'content', 'the skip link skips');
    expect(new URL(desk.page.url()).hash.replace('#/', '') === '', 'the address stays');
    const names = [];
    for (let i = 0; i < 18; ++i) {
      await desk.page.keyboard.press('Tab');
      const [name, outline] = await desk.page.evaluate(() => {
        const e = document.activeElement;
        return [e.innerText || e.getAttribute('aria-label') || e.tagName, getComputedStyle(e).outlineStyle];
      });
      names.push(name);
      expect(outline !== 'none', `a visible focus on ${name}`);
    }
    expect(names.includes('确认'), `the acknowledge button is reached: ${names.join(' | ')}`);
    await desk.close();
  },

  async 'every view passes axe in both themes and languages'({ browser, base }) {
    const found = [];
    for (const [lang, theme] of [['zh-CN', 'light'], ['en-US', 'dark']]) {
      const desk = await Desk.open(browser, base, { lang, theme });
      for (const [name, hash, there] of await views(base)) {
        await desk.go(hash);
        await desk.see(there);
        for (const line of await desk.accessibility()) found.push(`${name} ${lang} ${theme}: ${line}`);
      }
      await desk.close();
    }
    expect(found.length === 0, `no findings, but\n    ${found.join('\n    ')}`);
  },

  async 'every view fits a phone'({ browser, base, shots }) {
    const wide = [];
    for (const [width, langs] of [[390, ['zh-CN', 'en-US']], [320, ['en-US']]]) {
      for (const lang of langs) {
        const theme = lang === 'zh-CN' ? 'light' : 'dark';
        const desk = await Desk.open(browser, base, { width, height: 844, lang, theme, shots });
        for (const [name, hash, there] of await views(base)) {
          await desk.go(hash);
          await desk.see(there);
          const over = await desk.overflow();
          if (over !== '') wide.push(`${name} ${lang} at ${width}: ${over}`);
          if (width === 320) continue;
          for (const line of await desk.accessibility()) wide.push(`${name} ${lang}: ${line}`);
          await desk.shot(`phone-${name}-${lang}`);
        }
        await desk.close();
      }
    }
    expect(wide.length === 0, `nothing to scroll sideways for and no axe finding, but\n    ${wide.join('\n    ')}`);
  },

  async 'an acknowledgement stays, here and at the next desk'({ browser, base }) {
    const desk = await Desk.open(browser, base);
    const other = await Desk.open(browser, base);
    await desk.go('');
    await other.go('');
    await other.see(`${kAlert}.is-open`);
    await desk.page.locator(`${kAlert} .button-main`).click();
    await desk.see(`${kAlert}.is-acknowledged`);
    expect((await desk.text(`${kAlert} .acked`)).includes('已确认'), 'it says so');
    await other.see(`${kAlert}.is-acknowledged`);
    await desk.page.reload();
    await desk.see(`${kAlert}.is-acknowledged`);
    await desk.close();
    await other.close();
  },
};

export { alert_opens };
