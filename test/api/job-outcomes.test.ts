import { readFileSync } from 'node:fs';
import { isEnumType, isObjectType, isScalarType, isUnionType, getNamedType, type GraphQLObjectType } from 'graphql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Role } from '../../src/modules/core/rules/principal.js';
import { serviceSchema } from '../../src/composition.js';
import { CONVERSION } from '../../src/modules/registry/conversion.job-kind.js';
import { createModel, register, trainTumours } from '../support/registry.js';
import { newRun } from '../support/runs.js';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import type { TypedDocument } from '../../schema/typed-document.js';
import { mutate } from '../support/tracking.js';
import {
  FinishRunDocument,
  LogMetricsDocument,
  CollectGarbageDocument,
  ExportExperimentDocument,
  ImportExperimentDocument,
  ReleaseModelVersionDocument,
  StartBatchInferenceDocument,
} from '../../schema/generated/operations.js';
import {
  CancelJobDetailsDocument,
  DeleteRunDetailsDocument,
  JobDetailsDocument,
  JobsDetailsDocument,
  RunDetailsDocument,
  EvaluateModelVersionDetailsDocument,
  ValidateModelVersionDetailsDocument,
  JobTypenameResultDocument,
} from '../generated/operations.js';

let service: TestService;
let admin: Caller;
let trained: { runId: string; datasetId: string; jobId: string };
let versionId: string;
let everything: string;

/** Every field of a type and of the types below it. */
function allOf(type: GraphQLObjectType): string {
  return Object.values(type.getFields())
    .map(({ name, type: of }) => {
      const named = getNamedType(of);
      return isScalarType(named) || isEnumType(named) ? name : isObjectType(named) ? `${name} { ${allOf(named)} }` : '';
    })
    .join(' ');
}

beforeAll(async () => {
  service = await startTestService();
  admin = await service.as({ role: Role.ADMIN });
  trained = await trainTumours(admin);
  versionId = (await register(admin, { modelId: await createModel(admin), runId: trained.runId })).id;
  const union = (await serviceSchema()).getType('JobOutcome');
  everything = isUnionType(union)
    ? union
        .getTypes()
        .map((type) => `... on ${type.name} { ${allOf(type)} }`)
        .join(' ')
    : '';
});
afterAll(() => service?.close());

interface Job {
  id: string;
  kind: string;
  status: string;
  errorMessage: string | null;
  outcome: { __typename: string; [field: string]: unknown } | null;
}

async function outcomeOf(id: string): Promise<Job['outcome']> {
  const { job } = await admin.ok<{ job: Job }>(
    `query ($id: ID!) { job(id: $id, waitMs: 60000) { status errorMessage outcome { __typename ${everything} } } }`,
    { id },
  );
  expect(job.status, String(job.errorMessage)).toBe('SUCCEEDED');
  return job.outcome;
}

const begin = async <Input>(
  document: TypedDocument<Record<string, { job: { id: string } }>, { input: Input }>,
  input: Input,
) => (await mutate(admin, document, input)).job.id;

describe('the outcome of a job is typed and selectable', () => {
  it('of a training', async () => {
    expect(await outcomeOf(trained.jobId)).toMatchObject({
      __typename: 'TrainingOutcome',
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
      holdoutRows: expect.any(Number),
      metrics: expect.arrayContaining([{ name: 'holdout.log_loss', value: expect.any(Number) }]),
      signature: { inputs: expect.arrayContaining([expect.objectContaining({ name: 'radius' })]) },
    });
  });

  it('of an evaluation, a validation, a batch and a release', async () => {
    const evaluation = await begin(EvaluateModelVersionDetailsDocument, { modelVersionId: versionId });
    expect(await outcomeOf(evaluation)).toMatchObject({
      __typename: 'EvaluationOutcome',
      evaluationId: evaluation,
      passed: true,
    });
    const validation = await begin(ValidateModelVersionDetailsDocument, { modelVersionId: versionId });
    expect(await outcomeOf(validation)).toMatchObject({
      __typename: 'ValidationOutcome',
      passed: true,
      failedChecks: [],
    });
    const batch = await begin(StartBatchInferenceDocument, { modelVersionId: versionId, datasetId: trained.datasetId });
    const file = await outcomeOf(batch);
    expect(file).toMatchObject({ __typename: 'BatchInferenceOutcome', rows: 569 });
    const answer = await fetch(`${service.url}${String(file!['downloadUrl'])}`, {
      headers: { authorization: `Bearer ${admin.token}` },
    });
    expect((await answer.arrayBuffer()).byteLength).toBe(file!['sizeBytes']);
    const release = await begin(ReleaseModelVersionDocument, { modelVersionId: versionId, targetStage: 'STAGING' });
    expect(await outcomeOf(release)).toMatchObject({
      __typename: 'ReleaseOutcome',
      stage: 'STAGING',
      reached: true,
      firstMissing: null,
    });
  });

  it('of an export, an import, a run’s files and a garbage collection', async () => {
    const runId = await newRun(admin);
    await admin.ok(LogMetricsDocument, { input: { runId, metrics: [{ key: 'loss', value: 1, step: 1 }] } });
    await mutate(admin, FinishRunDocument, { runId, status: 'FINISHED' });
    const { jobs } = await admin.ok(JobsDetailsDocument, { filter: { kind: 'RUN_ARCHIVE', runId } });
    expect(await outcomeOf(jobs.nodes[0]!.id)).toMatchObject({
      __typename: 'RunArchiveOutcome',
      skipped: null,
      paths: [expect.any(String)],
    });
    const { run } = await admin.ok(RunDetailsDocument, { id: runId });
    const archive = await outcomeOf(await begin(ExportExperimentDocument, { experimentId: run.experiment.id }));
    expect(archive).toMatchObject({
      __typename: 'ExperimentExportOutcome',
      counts: expect.arrayContaining([
        { kind: 'runs', count: 1 },
        { kind: 'points', count: 1 },
      ]),
    });
    const bytes = await fetch(`${service.url}${String(archive!['downloadUrl'])}`, {
      headers: { authorization: `Bearer ${admin.token}` },
    });
    const { uploadId } = await admin.upload('experiment.tar', Buffer.from(await bytes.arrayBuffer()));
    const imported = await outcomeOf(await begin(ImportExperimentDocument, { uploadId, name: 'again' }));
    expect(imported).toMatchObject({
      __typename: 'ExperimentImportOutcome',
      unchanged: false,
      counts: expect.arrayContaining([{ kind: 'runs', count: 1 }]),
    });
    await mutate(admin, DeleteRunDetailsDocument, { runId });
    const garbage = await outcomeOf(await begin(CollectGarbageDocument, { olderThanDays: 0, checkStorage: true }));
    expect(garbage).toMatchObject({
      __typename: 'GarbageCollectionOutcome',
      runs: 1,
      metricPoints: 1,
      storage: { objectsWithoutRow: { count: 0 } },
    });
  });

  it('is null until the job has succeeded', async () => {
    const { id } = await service.app.context.db.transact(
      {
        principal: { subject: 'tess', tenant: 'acme', role: Role.ADMIN, expiresAt: new Date(Date.now() + 60_000) },
        requestId: 'test',
      },
      async (session) => service.app.context.services.jobs.create(session, CONVERSION, { input: {} }),
    );
    await admin.send(CancelJobDetailsDocument, { input: { jobId: id } });
    const { job } = await admin.ok(JobTypenameResultDocument, { id });
    expect(job).toEqual({ outcome: null, result: null });
  });
});

describe('the model of a training', () => {
  it('is a row of its own: a version is registered from it, whatever the job says', async () => {
    const { db } = service.app.context;
    const [trainedModel] = await db.asSystem((em) =>
      em.execute<{ format: string; sha256: string }[]>(
        `select format, files -> 'model' ->> 'sha256' as sha256 from trained_model where run_id = ?`,
        [trained.runId],
      ),
    );
    const outcome = await outcomeOf(trained.jobId);
    expect(trainedModel).toEqual({ format: 'ONNX', sha256: outcome?.['sha256'] });
    const resultOf = () =>
      db.asSystem((em) =>
        em.execute<{ result: string }[]>('select result::text from job where id = ?', [trained.jobId]),
      );
    const [before] = await resultOf();
    await db.asSystem((em) => em.execute('update job set result = null where id = ?', [trained.jobId]));
    const version = await register(admin, { modelId: await createModel(admin), runId: trained.runId });
    expect(version.id).not.toBe(versionId);
    await db.asSystem((em) =>
      em.execute('update job set result = ?::jsonb where id = ?', [before!.result, trained.jobId]),
    );
  });
});

describe('a page of jobs', () => {
  it('is small, and the database does not read results that are not selected', async () => {
    const document = readFileSync('schema/operations/job.graphql', 'utf8');
    const { data } = await admin.send(document, { id: trained.jobId });
    const documentBytes = Buffer.byteLength(JSON.stringify(data));
    const [stored] = await service.app.context.db.asSystem((em) =>
      em.execute<{ bytes: number }[]>('select length(result::text)::int as bytes from job where id = ?', [
        trained.jobId,
      ]),
    );
    const { data: withJson } = await admin.send(JobDetailsDocument, { id: trained.jobId });
    const jsonBytes = Buffer.byteLength(JSON.stringify(withJson));
    console.log(
      `the Job document of a training: ${documentBytes} bytes, its open JSON ${jsonBytes}, stored ${stored!.bytes}`,
    );
    expect(documentBytes).toBeLessThan(4_000);
    expect(jsonBytes).toBeLessThan(8_000);
    service.statements.length = 0;
    await admin.ok(JobsDetailsDocument, { first: 100 });
    const ofResults = (text: string) => text.startsWith('select "id", "kind", "status", "result" from "job"');
    const selected = service.statements.filter((text) => /from "(job|model_version)"/.test(text) && !ofResults(text));
    expect(selected.length).toBeGreaterThan(0);
    for (const text of selected) expect(text).not.toMatch(/"result"|"reference"/);
    service.statements.length = 0;
    await admin.ok(JobsDetailsDocument, { first: 100 });
    expect(service.statements.filter(ofResults)).toHaveLength(1);
  });
});
