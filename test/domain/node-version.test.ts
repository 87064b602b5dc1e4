import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** What an older Node reports about itself. */
const OLDER =
  'data:text/javascript,Object.defineProperty(process,"versions",{value:{...process.versions,node:"20.20.2"}})';

it.each(['main', 'token', 'schema-print'])(
  'dist/%s.js refuses a Node that is too old before anything else',
  (program) => {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ['--import', OLDER, `dist/${program}.js`, '--help'],
      {
        cwd: root,
        encoding: 'utf8',
      },
    );
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toMatch(/^The service needs Node 24 or newer, and this is Node 20\.20\.2: run it by npm/);
  },
);
