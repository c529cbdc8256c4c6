// SPDX-License-Identifier: Apache-2.0
import { defineConfig } from 'vitest/config';

const engine = process.env['TIDEWATCH_URL'] ?? 'http://127.0.0.1:8000';
// The engine takes changes from its own page only.
const proxied = { target: engine, headers: { Origin: engine } };
const kPaths = ['/v1', '/v2', '/metrics', '/openapi.json', '/readyz', '/healthz'];

export default defineConfig({
  // Relative, so that the dashboard also works below a path of a reverse proxy.
  base: './',
  esbuild: { jsx: 'automatic', jsxImportSource: 'preact' },
  build: {
    target: 'es2022',
    // The page is served under `default-src 'self'`: no data: URLs, no inline polyfill.
    assetsInlineLimit: 0,
    modulePreload: false,
    reportCompressedSize: true,
    chunkSizeWarningLimit: 300,
  },
  server: {
    host: '127.0.0.1',
    proxy: Object.fromEntries(kPaths.map((path) => [path, proxied])),
  },
  test: { include: ['src/**/*.test.ts'], environment: 'node' },
});
