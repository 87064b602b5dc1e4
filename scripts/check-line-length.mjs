// A line with more than 120 characters is an error, unless it has one long literal that the formatter cannot break: a
// template, a regular expression, or the title of a test.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const LIMIT = 120;
const UNBREAKABLE = /`|^\s*(it|describe)(\.\w+)*\(|^\s*'|^\s*\/\^|\.description\(/;
const FOLDERS = ['src', 'test', 'bench', 'scripts', 'demo', 'graphiql/src', 'schema'];

const files = FOLDERS.flatMap((folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    // A benchmark installs packages in a folder of its own.
    .filter(({ parentPath }) => !parentPath.split('/').includes('node_modules'))
    .filter((entry) => entry.isFile() && /\.(ts|tsx|mjs)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name)),
);
for (const file of files) {
  // Released migrations do not change, and nobody formats generated files.
  if (/\/migrations\/|\/generated\//.test(file)) continue;
  const isTemplate = insideTemplates(readFileSync(file, 'utf8'));
  for (const { line, number, within } of isTemplate) {
    if (line.length <= LIMIT || within || (UNBREAKABLE.test(line) && !/^\s*(\/\/|\*)/.test(line))) continue;
    console.error(`${file}:${number}: ${line.length} characters, expected at most ${LIMIT}. Break the line.`);
    process.exitCode = 1;
  }
}

/** The lines of a text, and whether each begins within a template literal. */
function insideTemplates(text) {
  let within = false;
  return text.split('\n').map((line, i) => {
    const begins = within;
    if ((line.replaceAll('\\`', '').match(/`/g) ?? []).length % 2 === 1) within = !within;
    return { line, number: i + 1, within: begins };
  });
}
