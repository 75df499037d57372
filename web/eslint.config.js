// Lint rules. The one that matters most is the layering: shared (lib, api, i18n, ui, flow, run) -> features -> app.
import { readdirSync } from 'node:fs';
import tseslint from 'typescript-eslint';
import reactHooks from 'eslint-plugin-react-hooks';

/** Shared folders from the bottom up: each may import those before it. */
const shared = ['lib', 'api', 'i18n', 'ui', 'flow', 'run'];
const features = readdirSync(new URL('./src/features', import.meta.url));

const ban = (files, groups, message) => ({
  files,
  rules: {
    'no-restricted-imports': [
      'error',
      {
        patterns: [
          { group: ['../*', '!./*'], message: 'Import other folders by @/.' },
          { group: groups, message },
        ],
      },
    ],
  },
});

const layers = [
  ...shared.map((name, i) =>
    ban(
      [`src/${name}/**`],
      [...shared.slice(i + 1).flatMap((up) => [`@/${up}`, `@/${up}/*`]), '@/features/*', '@/app/*'],
      `src/${name} may only import from: ${shared.slice(0, i).join(', ') || 'nothing'}.`,
    ),
  ),
  ...features.map((name) =>
    ban(
      [`src/features/${name}/**`],
      ['@/app/*', '@/features/*', `!@/features/${name}`],
      'Features import neither each other nor app; app puts them together.',
    ),
  ),
];

export default tseslint.config(
  { ignores: ['dist', 'node_modules', 'coverage'] },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: { allowDefaultProject: ['*.js', 'test/*.mjs', 'src/*.js'] } } },
  },
  reactHooks.configs.flat['recommended-latest'],
  {
    rules: {
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': 'off',
      '@typescript-eslint/no-dynamic-delete': 'off',
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: { attributes: false } }],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-unnecessary-condition': ['error', { allowConstantLoopConditions: true }],
      'no-console': 'error',
    },
  },
  ...layers,
  {
    files: ['**/*.js', 'test/**', 'vite.config.ts'],
    extends: [tseslint.configs.disableTypeChecked],
    rules: { 'no-console': 'off' },
  },
);
