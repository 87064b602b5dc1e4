import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ServiceGroup } from '../support/processes.js';
import { hasBubblewrap, linesOf, processesWith, scriptEnd, startScript } from '../support/scripts.js';
import type { Caller } from '../support/service.js';
import { createExperiment } from '../support/training.js';

let group: ServiceGroup;
let tess: Caller;
let settings: Record<string, string>;

beforeEach(async () => {
  group = await ServiceGroup.create();
  const api = await group.start('api', { ALLOW_LOCAL_SCRIPTS: 'true' });
  settings = { ALLOW_LOCAL_SCRIPTS: 'true', PUBLIC_URL: api.url };
  tess = await group.as(api);
});
afterEach(() => group?.close());

describe.skipIf(!hasBubblewrap)('a worker that is killed -9 in mid-script', () => {
  it('takes the script with it, also a part that hides, and the next worker begins it once more', async () => {
    const worker = await group.start('worker', settings);
    const mark = `mark-${process.pid}`;
    const { jobId, runId } = await startScript(tess, {
      experimentId: await createExperiment(tess),
      files: { 'a.txt': 'a' },
      command: `echo "begun $MATIH_ATTEMPT"; if [ "$MATIH_ATTEMPT" = 1 ]; then
        setsid sh -c 'trap "" TERM HUP; sleep 600; : ${mark}' & sleep 600; fi; echo done`,
    });
    await expect.poll(() => linesOf(tess, runId), { timeout: 60_000 }).toContain('begun 1');
    expect(processesWith(mark).length).toBeGreaterThan(0);
    await worker.end('SIGKILL');
    await expect.poll(() => processesWith(mark), { timeout: 5_000 }).toEqual([]);
    await group.start('worker', settings);
    const job = await scriptEnd(tess, jobId, 'SUCCEEDED');
    expect(job).toMatchObject({ attempt: 2, run: { status: 'FINISHED' } });
    expect(await linesOf(tess, runId)).toEqual(expect.arrayContaining(['begun 1', 'begun 2', 'done']));
  }, 120_000);
});
