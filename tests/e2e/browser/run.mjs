// SPDX-License-Identifier: Apache-2.0
// The dashboard in a real browser.
//
//   node run.mjs [--dist DIR] [--shots DIR] [--only TEXT]    against the mock server and web/dist
//   node run.mjs --binary PATH [--shots DIR] [--only TEXT]   against `PATH serve --demo`
//
// Ends with 0 when every check passed. --chromium PATH (default: $CHROMIUM or /usr/bin/chromium).

import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { binary_tests } from './binary_suite.mjs';
import { open_browser } from './desk.mjs';
import { alert_opens, mock_tests, start_mock } from './mock_suite.mjs';
import { page_tests } from './page_suite.mjs';
import { start_server } from './server.mjs';

const { values: options } = parseArgs({
  options: {
    binary: { type: 'string' },
    dist: { type: 'string', default: fileURLToPath(new URL('../../../web/dist', import.meta.url)) },
    shots: { type: 'string' },
    only: { type: 'string', default: '' },
    chromium: { type: 'string', default: process.env.CHROMIUM ?? '/usr/bin/chromium' },
  },
});

async function run_tests(tests, surroundings) {
  let failed = 0;
  let passed = 0;
  for (const [name, test] of Object.entries(tests)) {
    if (!name.includes(options.only)) continue;
    const start = Date.now();
    try {
      await test(surroundings);
      ++passed;
      console.log(`ok      ${name} (${Date.now() - start} ms)`);
    } catch (error) {
      ++failed;
      console.log(`FAILED  ${name} (${Date.now() - start} ms)\n    ${error.message}`);
    }
  }
  console.log(`${passed} passed, ${failed} failed`);
  return passed > 0 && failed === 0;
}

if (!existsSync(options.chromium)) {
  console.error(`no browser at ${options.chromium}: apt-get install chromium`);
  process.exit(2);
}
if (!options.binary && !existsSync(join(options.dist, 'index.html'))) {
  console.error(`no dashboard in ${options.dist}: run \`npm ci && npm run build\` in web/`);
  process.exit(2);
}

const shots = options.shots ?? null;
const folder = await mkdtemp(join(tmpdir(), 'tidewatch-browser-'));
let server;
let browser;
let good = false;
try {
  if (options.binary) {
    server = await start_server(options.binary, ['serve', '--port', '0', '--grpc-port', '0', '--demo', '--data-dir', folder]);
  } else {
    server = await start_mock('--dist', options.dist, '--demo');
    await alert_opens(server.base);
  }
  browser = await open_browser(options.chromium);
  good = await run_tests(options.binary ? binary_tests : { ...mock_tests, ...page_tests }, { browser, base: server.base, shots });
} catch (error) {
  console.error(error.message);
} finally {
  await browser?.close();
  const how = await server?.stop();
  if (options.binary && server && how !== 0) {
    console.log(`FAILED  the engine stops cleanly on SIGTERM: ended with ${how}`);
    good = false;
  }
  if (!good && options.binary && server) console.log(server.said.slice(-30).join('\n'));
  await rm(folder, { recursive: true, force: true });
}
process.exit(good ? 0 : 1);
