import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  DeleteModelAliasDocument,
  SetModelAliasDocument,
  StartBatchInferenceDocument,
  type StartBatchInferenceInput,
} from '../../schema/generated/operations.js';
import { CloneJobDocument, CreateScheduleDetailsDocument, ScheduleStartsDocument } from '../generated/operations.js';
import { linear } from '../fixtures/models/build.js';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import { makeVersion, xToY } from '../support/serving.js';
import { sql } from '../support/sql.js';
import { registerDataset } from '../support/training.js';

/** No worker takes jobs here: what a start uses is decided when it is made. */
let service: TestService;
let tess: Caller;
let modelId: string;
let first: string;
let second: string;
let datasetId: string;

beforeAll(async () => {
  service = await startTestService({ ROLE: 'api', RECONCILE_INTERVAL_MS: '3600000' });
  tess = await service.as({ subject: 'tess' });
  ({ modelId, versionId: first } = await makeVersion(service, { bytes: linear([2], 0), signature: xToY(1) }));
  ({ versionId: second } = await makeVersion(service, { bytes: linear([3], 0), signature: xToY(1), modelId }));
  datasetId = await rows('x,day\n1,a\n2,b\n');
});
afterAll(() => service?.close());

async function rows(text: string): Promise<string> {
  const { uploadId } = await tess.upload('rows.csv', text);
  return registerDataset(tess, { name: 'rows', uploadId });
}

const setAlias = (modelVersionId: string) =>
  tess.ok(SetModelAliasDocument, { modelId, alias: 'champion', modelVersionId });
const start = async (input: StartBatchInferenceInput) =>
  (await tess.ok(StartBatchInferenceDocument, { input })).startBatchInference.job.id;
const clone = async (jobId: string) => (await tess.ok(CloneJobDocument, { input: { jobId } })).cloneJob.job;

it('each start of a schedule takes the version that has the alias then, and the newest rows', async () => {
  await setAlias(first);
  const jobId = await start({ modelId, alias: 'champion', datasetId, keyColumns: ['x'], partitionBy: ['day'] });
  expect(await clone(jobId)).toMatchObject({ modelVersion: { id: first }, dataset: { id: datasetId } });
  const { schedule } = (
    await tess.ok(CreateScheduleDetailsDocument, {
      input: { name: 'every night', jobId, cron: '30 2 * * *', timeZone: 'UTC', newestDataset: true, overlap: 'ALLOW' },
    })
  ).createSchedule;
  const startsAgain = async () => {
    await service.app.context.db.asSystem((em) =>
      sql(em, 'update schedule set due_at = ? where id = ?', [new Date(Date.now() - 1_000), schedule.id]),
    );
    await service.app.context.services.scheduleStarter.tick();
    const { nodes } = (await tess.ok(ScheduleStartsDocument, { scheduleId: schedule.id })).scheduleStarts;
    return nodes[0]!;
  };
  expect(await startsAgain()).toMatchObject({ outcome: 'STARTED', job: { kind: 'BATCH_INFERENCE' } });

  await setAlias(second);
  const newest = await rows('x,day\n5,c\n');
  const { outcome, job } = await startsAgain();
  expect(outcome).toBe('STARTED');
  // What it used, and the settings of the first job.
  expect(await clone(job!.id)).toMatchObject({
    ...{ modelVersion: { id: second }, dataset: { id: newest } },
    config: { keyColumns: ['x'], partitionBy: ['day'], follows: { modelId, alias: 'champion' } },
  });
  // A job that names its version keeps it.
  expect(await clone(await start({ modelVersionId: first, datasetId }))).toMatchObject({ modelVersion: { id: first } });

  await tess.ok(DeleteModelAliasDocument, { modelId, alias: 'champion' });
  const refused = await startsAgain();
  expect(refused).toMatchObject({ outcome: 'REFUSED', job: null });
  expect(refused.message).toMatch(/^NOT_FOUND: .*champion/);
});

it('takes a version or an alias of a model, not both, and says what is missing', async () => {
  const cases: [Partial<StartBatchInferenceInput>, string, string][] = [
    [{}, 'BAD_USER_INPUT', 'input.modelVersionId'],
    [{ modelVersionId: first, modelId, alias: 'champion' }, 'BAD_USER_INPUT', 'input.modelVersionId'],
    [{ modelId }, 'BAD_USER_INPUT', 'input.alias'],
    [{ alias: 'champion' }, 'BAD_USER_INPUT', 'input.modelId'],
    [{ modelId, alias: 'latest' }, 'BAD_USER_INPUT', 'input.alias'],
  ];
  for (const [input, code, field] of cases) {
    const { extensions } = await tess.fails(StartBatchInferenceDocument, { input: { datasetId, ...input } });
    expect(extensions).toMatchObject({ code, field });
  }
  const absent = await tess.fails(StartBatchInferenceDocument, { input: { datasetId, modelId, alias: 'nobody' } });
  expect(absent.extensions).toMatchObject({ code: 'NOT_FOUND' });
});
