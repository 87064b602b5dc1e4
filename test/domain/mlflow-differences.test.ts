import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

interface Accepted {
  what: string;
  why: string;
}

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

it('docs/mlflow.md names the differences from MLflow’s server that the differential test accepts', () => {
  const accepted = JSON.parse(read('test/engines/mlflow/differential/accepted.json')) as Accepted[];
  const rows = accepted.map(({ what, why }) => `| ${what.replaceAll('|', '\\|')} | ${why.replaceAll('|', '\\|')} |`);
  const [, table = ''] = read('docs/mlflow.md').split('| Difference | Why |\n|---|---|\n');
  expect(table.trim().split('\n')).toEqual(rows);
});
