// How the console is built. The output must run under the server's CSP: script-src, style-src, font-src and
// connect-src 'self', without unsafe-inline; so nothing is inlined and nothing comes from another host.
import { readFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import tailwindcss from '@tailwindcss/vite';
import react from '@vitejs/plugin-react';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const server = process.env['HEDDLE_URL'] ?? 'http://127.0.0.1:3000';

/** The chosen theme must be known before the first paint, so this one script is blocking and stands in the head. */
function themeScript(): Plugin {
  const source = readFileSync(here('./src/theme-init.js'), 'utf8');
  const hash = createHash('sha256').update(source).digest('base64url').slice(0, 8);
  const name = `assets/theme-${hash}.js`;
  return {
    name: 'heddle-theme-script',
    configureServer(dev) {
      dev.middlewares.use(`/${name}`, (_req, res) => {
        res.setHeader('Content-Type', 'text/javascript');
        res.end(source);
      });
    },
    generateBundle() {
      this.emitFile({ type: 'asset', fileName: name, source });
    },
    transformIndexHtml: () => [{ tag: 'script', attrs: { src: `/${name}` }, injectTo: 'head-prepend' }],
  };
}

/** The licence of the typefaces travels with them; that of the code is written by Vite. */
function fontLicence(): Plugin {
  return {
    name: 'heddle-font-licence',
    generateBundle() {
      const source = readFileSync(here('./node_modules/@fontsource-variable/ibm-plex-sans/LICENSE'), 'utf8');
      this.emitFile({ type: 'asset', fileName: 'assets/fonts-ofl.txt', source });
    },
  };
}

export default defineConfig({
  plugins: [react(), tailwindcss(), themeScript(), fontLicence()],
  resolve: { alias: { '@': here('./src') } },
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    license: { fileName: 'assets/licenses.txt' },
    chunkSizeWarningLimit: 700,
  },
  server: {
    port: 5173,
    proxy: Object.fromEntries(
      ['/api', '/signin', '/hooks', '/healthz', '/readyz'].map((path) => [path, { target: server }]),
    ),
  },
  test: {
    // What draws needs a document; all else runs faster without.
    projects: [
      { extends: true, test: { name: 'pure', environment: 'node', include: ['src/**/*.test.ts'], restoreMocks: true } },
      {
        extends: true,
        test: {
          name: 'dom',
          environment: 'jsdom',
          include: ['src/**/*.test.tsx'],
          setupFiles: ['./src/test-setup.ts'],
          restoreMocks: true,
        },
      },
    ],
  },
});
