// Checks the import rules of .dependency-cruiser.mjs. dependency-cruiser reads TypeScript through the compiler's
// JavaScript API, which TypeScript 7 does not have yet, so this passes it the release 6 that @ts-morph/common contains.
import { registerHooks } from 'node:module';

const api = new URL('typescript-api.mjs', import.meta.url).href;
const manifest = `${api}?manifest`;

registerHooks({
  resolve: (specifier, context, next) => {
    if (specifier === 'typescript') return { url: api, shortCircuit: true };
    if (specifier === 'typescript/package.json') return { url: manifest, format: 'json', shortCircuit: true };
    return next(specifier, context);
  },
  load: (url, context, next) => {
    if (url === manifest) return { format: 'json', source: '{"version":"6.0.2"}', shortCircuit: true };
    return next(url, context);
  },
});

process.argv.push('src', 'demo', '--config', '.dependency-cruiser.mjs', '--output-type', 'err-long');
await import(new URL('../node_modules/dependency-cruiser/bin/dependency-cruiser.mjs', import.meta.url).href);
