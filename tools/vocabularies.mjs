/* vocabularies.mjs - the vocabularies by which OpenAI's models count tokens, out of the npm package js-tiktoken.
 *
 *   npm install js-tiktoken && node tools/vocabularies.mjs node_modules/js-tiktoken FOLDER
 *
 * writes cl100k_base.tiktoken and o200k_base.tiktoken into FOLDER, as OpenAI publishes them, for the setting
 * models.vocabularies. They are not part of Heddle: what their licence allows is between you and who gives them.
 */
import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

export async function writeVocabularies(packageFolder, folder) {
  for (const name of ['cl100k_base', 'o200k_base']) {
    const file = path.resolve(packageFolder, 'dist/ranks', `${name}.js`);
    const { default: ranks } = await import(pathToFileURL(file));
    const lines = [];
    for (const line of ranks.bpe_ranks.split('\n').filter(Boolean)) {
      const [, first, ...tokens] = line.split(' ');
      tokens.forEach((token, i) => lines.push(`${token} ${Number(first) + i}`));
    }
    fs.writeFileSync(path.join(folder, `${name}.tiktoken`), `${lines.join('\n')}\n`);
  }
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [from, to] = process.argv.slice(2);
  if (!from || !to) {
    console.error('node tools/vocabularies.mjs PACKAGE-FOLDER FOLDER');
    process.exit(2);
  }
  await writeVocabularies(from, to);
}
