// SPDX-License-Identifier: Apache-2.0
// A desk: one browser page that notices everything a person should never have to see.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import axe from 'axe-core';

const kArguments = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];

/** Starts headless Chromium with a fresh profile. */
export function open_browser(path) {
  return chromium.launch({ executablePath: path, headless: true, args: kArguments });
}

export class Desk {
  /** `shots`: a folder for pictures, or null. `expected`: console errors that the test causes, by
   * their text and address. `tour`: as on a first visit; else the tour was seen already. */
  static async open(browser, base, { lang = 'zh-CN', theme = 'light', width = 1440, height = 1000, shots = null, expected = [], tour = false } = {}) {
    const context = await browser.newContext({
      locale: lang, colorScheme: theme, viewport: { width, height }, timezoneId: 'Asia/Shanghai', reducedMotion: 'reduce',
    });
    const desk = new Desk();
    Object.assign(desk, { context, base, shots, expected, problems: [], page: await context.newPage() });
    if (!tour) await context.addInitScript(() => localStorage.setItem('tidewatch.tour', 'seen'));
    const host = new URL(base).host;
    desk.page.on('console', (m) => {
      if (m.type() !== 'error' && m.type() !== 'warning') return;
      const what = `${m.text()} ${m.location().url}`;
      if (!desk.expected.some((e) => e.test(what))) desk.problems.push(`console ${m.type()}: ${what}`);
    });
    desk.page.on('pageerror', (e) => desk.problems.push(`uncaught: ${e.message}`));
    desk.page.on('dialog', (d) => {
      desk.problems.push(`dialog: ${d.message()}`);
      void d.dismiss();
    });
    context.on('request', (r) => {
      if (new URL(r.url()).host !== host) desk.problems.push(`request to another host: ${r.url()}`);
    });
    return desk;
  }

  async go(hash) {
    await this.page.goto(`${this.base}/${hash}`);
  }

  /** Asks again and again until `ask` gives something true; that is the result. */
  async until(what, ask, timeout_ms = 15_000) {
    const end = Date.now() + timeout_ms;
    let last;
    for (;;) {
      try {
        last = await ask();
        if (last) return last;
      } catch (error) {
        last = error;
      }
      if (Date.now() > end) throw new Error(`waited ${timeout_ms} ms for: ${what} (last: ${last})`);
      await this.page.waitForTimeout(50);
    }
  }

  see(selector, timeout = 15_000) {
    return this.page.locator(selector).first().waitFor({ state: 'visible', timeout });
  }

  count(selector) {
    return this.page.locator(selector).count();
  }

  text(selector) {
    return this.page.locator(selector).first().innerText();
  }

  /** The window, or with `whole` all of the page. */
  async shot(name, whole = false) {
    if (this.shots === null) return;
    await mkdir(this.shots, { recursive: true });
    await this.page.screenshot({ path: join(this.shots, `${name}.png`), fullPage: whole });
  }

  /** What axe-core finds against WCAG 2.2 A and AA, as lines of text. */
  async accessibility() {
    await this.page.evaluate(axe.source);
    const found = await this.page.evaluate(async () => {
      const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
      const result = await globalThis.axe.run(document, { runOnly: tags });
      return result.violations.map((v) => ({
        id: v.id, impact: v.impact, help: v.help, nodes: v.nodes.slice(0, 3).map((n) => `${n.html.slice(0, 140)} :: ${n.failureSummary}`),
      }));
    });
    return found.map((v) => `${v.impact} ${v.id}: ${v.help}\n      ${v.nodes.join('\n      ')}`);
  }

  /** By how many pixels the page is wider than its window, and what sticks out. */
  async overflow() {
    return this.page.evaluate(() => {
      const width = document.documentElement.clientWidth;
      const over = document.documentElement.scrollWidth - width;
      if (over <= 0) return '';
      const wide = [...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > width + 1);
      return `${over} px: ${wide.slice(0, 4).map((e) => `${e.tagName}.${e.className}`).join(', ')}`;
    });
  }

  /** Ends the visit; throws when anything went wrong that no check asked about. */
  async close() {
    await this.context.close();
    if (this.problems.length > 0) throw new Error(`the page was not clean:\n    ${this.problems.join('\n    ')}`);
  }
}

export function expect(condition, what) {
  if (!condition) throw new Error(`expected: ${what}`);
}

export function expect_equal(got, wanted, what) {
  const [a, b] = [JSON.stringify(got), JSON.stringify(wanted)];
  if (a !== b) throw new Error(`${what}: got ${a}, wanted ${b}`);
}
