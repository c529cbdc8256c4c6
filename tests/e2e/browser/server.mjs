// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** Starts a server that prints `listening on http://127.0.0.1:PORT` and waits for that line.
 * Throws, with what it said, when it ends first or takes too long. */
export async function start_server(command, args, timeout_ms = 60_000) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const said = [];
  const keep = (line) => {
    said.push(line);
    if (said.length > 200) said.shift();
  };
  const ended = new Promise((resolve) => {
    child.on('error', (error) => resolve(`cannot start: ${error.message}`));
    child.on('exit', (code, signal) => resolve(code ?? signal));
  });
  createInterface({ input: child.stderr }).on('line', keep);
  const base = await new Promise((resolve, reject) => {
    const fail = (why) => {
      child.kill('SIGKILL');
      reject(new Error(`${command}: ${why}\n${said.slice(-20).join('\n')}`));
    };
    const timer = setTimeout(() => fail(`did not listen within ${timeout_ms} ms`), timeout_ms);
    createInterface({ input: child.stdout }).on('line', (line) => {
      keep(line);
      const found = /listening on (http:\/\/127\.0\.0\.1:\d+)/.exec(line);
      if (!found) return;
      clearTimeout(timer);
      resolve(found[1]);
    });
    void ended.then((how) => {
      clearTimeout(timer);
      fail(`ended: ${how}`);
    });
  });
  return {
    base,
    said,
    /** Asks it to end. Returns the exit code, or the signal's name when it had to be killed. */
    async stop(grace_ms = 15_000) {
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), grace_ms);
      const how = await ended;
      clearTimeout(timer);
      return how;
    },
  };
}
