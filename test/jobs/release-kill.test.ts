import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createModel, jobEnd, register, trainTumours } from '../support/registry.js';
import { ServiceGroup, type ServiceProcess } from '../support/processes.js';
import type { Caller } from '../support/service.js';
import { ReleaseModelVersionDocument } from '../../schema/generated/operations.js';
import { ModelVersionDetailsDocument, JobsForReleaseKillDocument } from '../generated/operations.js';

let group: ServiceGroup;
let tess: Caller;

beforeAll(async () => {
  group = await ServiceGroup.create();
  tess = await group.as(await group.start('api'));
}, 60_000);
afterAll(() => group?.close());

it('a release whose worker is killed again and again is done once', async () => {
  let worker: ServiceProcess = await group.start('worker');
  const { runId } = await trainTumours(tess);
  const { id } = await register(tess, { modelId: await createModel(tess), runId });
  const { releaseModelVersion } = await tess.ok(ReleaseModelVersionDocument, {
    input: { modelVersionId: id, targetStage: 'PRODUCTION' },
  });
  const jobs = async () => (await tess.ok(JobsForReleaseKillDocument, { filter: { modelVersionId: id } })).jobs.nodes;
  const killed: string[] = [];
  // The worker is killed as soon as each of its jobs runs.
  for (const kind of ['VALIDATION', 'EVALUATION']) {
    for (const deadline = Date.now() + 30_000; Date.now() < deadline; await pause(10)) {
      const all = await jobs();
      if (all.some((job) => job.kind === kind && job.status === 'RUNNING')) {
        killed.push(kind);
        await worker.end('SIGKILL');
        worker = await group.start('worker');
        break;
      }
      if (all.some((job) => job.kind === 'RELEASE' && job.status === 'SUCCEEDED')) break;
    }
  }
  const { result } = await jobEnd(tess, releaseModelVersion.job.id, 'SUCCEEDED', 90_000);
  expect(result).toMatchObject({ stage: 'PRODUCTION', reached: true, firstMissing: null });
  const all = await jobs();
  expect(all.map(({ kind, status }) => `${kind} ${status}`).toSorted()).toEqual([
    'EVALUATION SUCCEEDED',
    'RELEASE SUCCEEDED',
    'VALIDATION SUCCEEDED',
  ]);
  const attempts = Object.fromEntries(all.map(({ kind, attempt }) => [kind, attempt]));
  console.log(
    `release: worker killed during ${killed.join(' and ')}; attempts ${JSON.stringify(attempts)}, each job once`,
  );
  expect(killed.length).toBeGreaterThan(0);
  expect(attempts['RELEASE']).toBeGreaterThan(1);
  const { modelVersion } = await tess.ok(ModelVersionDetailsDocument, { id });
  expect(modelVersion.stageHistory.map(({ toStage }) => toStage)).toEqual(['PRODUCTION', 'STAGING']);
}, 180_000);
