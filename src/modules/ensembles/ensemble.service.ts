import { createReadStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { v7 as uuidv7 } from 'uuid';
import type { EnsembleOutcome, Stacking } from '../../adapters/evaluator/ensemble/port.js';
import type { EvaluationData, ModelEvaluator, TargetColumn } from '../../adapters/evaluator/port.js';
import type { ObjectStore, StoredObject } from '../../adapters/object-store/port.js';
import type { Dataset } from '../../db/entities/datasets/dataset.entity.js';
import { Ensemble } from '../../db/entities/ensembles/ensemble.entity.js';
import { EnsembleMember } from '../../db/entities/ensembles/ensemble-member.entity.js';
import type { Job } from '../../db/entities/jobs/job.entity.js';
import type { Model } from '../../db/entities/registry/model.entity.js';
import type { ModelVersion, OnnxVersion } from '../../db/entities/registry/model-version.entity.js';
import type { Actor, Session } from '../../db/database.js';
import { AppError, badInput, conflict, ErrorCode } from '../../errors.js';
import type { TrainingConfig } from '../algorithms/index.js';
import { registryTags } from '../core/index.js';
import type { DatasetService } from '../datasets/index.js';
import type { TagEntry } from '../experiments/index.js';
import type { AttemptOf, JobService } from '../jobs/index.js';
import { neededColumns, requireMapped } from '../model-contract/index.js';
import { audit } from '../platform/index.js';
import type { ModelService, ModelVersionService } from '../registry/index.js';
import { trainedModelOf } from '../training/index.js';
import type { StagedObjects } from '../uploads/index.js';
import { ENSEMBLE } from './ensemble.job-kind.js';
import {
  commonTask,
  type EnsembleTask,
  grows,
  type Learnt,
  memberField,
  type Method,
  requireCount,
  requireSameTarget,
  seenReason,
  weightsOf,
} from './rules/members.js';
import { type GivenGrowth, type Growing, growingOf } from './rules/growing.js';
import { combinationSchema, ensembleReportSchema } from './rules/report.js';
import { stackingOf } from './rules/stacking.js';
import { ensemblesOfVersions, learntFromHoldout, withMembers } from './stores/ensembles.js';

export interface CreateEnsembleInput {
  /** The model of which the ensemble becomes a version. */
  modelId: string;
  method: Method;
  members: { modelVersionId: string; weight?: number | null }[];
  learnWeights?: boolean | null;
  /** For BAGGING and BOOSTING. */
  growth?: GivenGrowth | null;
  /** When absent, the dataset of the members' trainings. */
  datasetId?: string | null;
  /** For members without a training here. */
  target?: { column: string; greaterThan?: number | null } | null;
  description?: string | null;
  tags?: TagEntry[] | null;
}

interface Dependencies {
  jobs: JobService;
  objects: ObjectStore;
  staged: StagedObjects;
  datasets: DatasetService;
  models: ModelService;
  versions: ModelVersionService;
  evaluator: ModelEvaluator;
}

type EnsembleAttempt = AttemptOf<typeof ENSEMBLE>;

interface Member {
  version: OnnxVersion;
  /** Model and number. */
  name: string;
  task: Model['task'];
  /** The version and all that it combines. */
  inside: ModelVersion[];
}

/** A request, checked, with all that is needed to do it. */
interface Plan {
  model: Model;
  task: EnsembleTask;
  members: Member[];
  dataset: Dataset;
  /** The training that says target and holdout; null when no member was trained here. */
  training: { datasetId: string; config: TrainingConfig } | null;
  /** False when a member may have learnt from the rows. */
  unseen: boolean;
  /** Present with STACKING. */
  stacking: Stacking | null;
  /** Present with BAGGING and BOOSTING. */
  growing: Growing | null;
}

type Wanted = Pick<EnsembleAttempt['input'], 'modelId' | 'method' | 'weights' | 'target' | 'growth'> & {
  memberIds: readonly string[];
  datasetId: string | null;
};

/** Makes versions that combine others. Once made, an ensemble is a version like any other. */
export class EnsembleService {
  constructor(private readonly deps: Dependencies) {}

  /** Checks as far as possible in advance that the ensemble can be made, and queues it. */
  async start(session: Session, input: CreateEnsembleInput): Promise<Job> {
    const { modelId, method, target, description, tags } = input;
    const weights = weightsOf(
      method,
      input.members.map(({ weight }) => weight ?? null),
      input.learnWeights === true,
    );
    const wanted: Wanted = {
      ...{ modelId, method, weights, growth: input.growth ? present(input.growth) : null },
      memberIds: input.members.map(({ modelVersionId }) => modelVersionId),
      datasetId: input.datasetId ?? null,
      target: target == null ? null : targetColumn(target),
    };
    const { dataset } = await this.plan(session, wanted);
    const job = this.deps.jobs.create(session, ENSEMBLE, {
      input: {
        ...{ modelId, method, weights, target: wanted.target, growth: wanted.growth },
        members: wanted.memberIds.map((versionId) => ({ versionId })),
        description: description ?? '',
        tags: registryTags('input.tags', tags ?? []),
      },
      datasetId: dataset.id,
    });
    await session.em.flush();
    const audited = { modelId, method, members: wanted.memberIds, datasetId: dataset.id };
    audit(session, 'createEnsemble', { type: 'job', id: job.id }, null, audited);
    return job;
  }

  async execute(attempt: EnsembleAttempt): Promise<void> {
    const { versions, staged, objects, evaluator } = this.deps;
    const { input, job } = attempt;
    const { plan, actor } = await attempt.read(async (session) => ({
      plan: await this.plan(session, {
        ...input,
        memberIds: input.members.map(({ versionId }) => versionId),
        datasetId: job.datasetId ?? null,
      }),
      actor: { principal: session.principal, requestId: session.requestId } satisfies Actor,
    }));
    const folder = await mkdtemp(join(tmpdir(), 'matih-ensemble-'));
    const sourceKey = `${job.tenant}/ensembles/${job.id}-${attempt.number}/model.onnx`;
    try {
      using held = new DisposableStack();
      attempt.progress(0.1, `Asking ${plan.members.length} members about rows of ${plan.dataset.name}`);
      const outputPath = join(folder, 'model.onnx');
      const outcome = await evaluator.combine(
        {
          ...{ task: plan.task, method: input.method, weights: input.weights, unseen: plan.unseen, outputPath },
          ...{ stacking: plan.stacking, growing: plan.growing },
          members: await this.membersOf(plan, held),
          data: await this.dataOf(attempt, plan, input.target, held),
        },
        attempt.signal,
        (share, message) => attempt.progress(0.1 + 0.6 * share, message),
      );
      attempt.progress(0.7, 'Checking the compiled model');
      await versions.check(job.tenant, outputPath);
      await attempt.write((session) => staged.stage(session, sourceKey));
      const stored = await objects.put(sourceKey, createReadStream(outputPath));
      const id = await this.finish(attempt, plan, outcome, { sourceKey, ...stored });
      const { status } = await versions.settled(actor, id);
      // A version that is not stored yet still needs it; then the sweeper of staged files removes it later.
      if (status !== 'PENDING') await staged.discard(sourceKey);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  private async finish(
    attempt: EnsembleAttempt,
    plan: Plan,
    { signature, combination, report, agreementMaxAbsDiff, reference }: EnsembleOutcome,
    source: StoredObject & { sourceKey: string },
  ): Promise<string> {
    const { input, job } = attempt;
    const id = uuidv7();
    await attempt.succeed({ modelVersionId: id }, async (session) => {
      const model = await this.deps.models.lock(session, input.modelId);
      requireTask(model, plan.task);
      if (model.task !== plan.task || model.taskGuessed) Object.assign(model, { task: plan.task, taskGuessed: false });
      const metrics = Object.fromEntries(
        Object.entries(report.metrics).map(([name, { value }]) => [`holdout.${name}`, value]),
      );
      await this.deps.versions.register(
        session,
        model,
        { id, ...source, signature, metrics, reference, agreementMaxAbsDiff },
        {
          description: input.description,
          tags: Object.entries(input.tags).map(([key, value]) => ({ key, value })),
        },
      );
      await session.em.flush();
      const { tenant, principal } = session;
      session.em.create(Ensemble, {
        ...{ id: job.id, tenant, modelVersionId: id, method: input.method, datasetId: plan.dataset.id },
        holdout: plan.unseen && plan.training?.datasetId === plan.dataset.id ? plan.training : null,
        report: ensembleReportSchema.parse(report),
        combination: combinationSchema.nullable().parse(combination),
        createdBy: principal.subject,
      });
      await session.em.flush();
      for (const [position, { version, name }] of plan.members.entries())
        session.em.create(EnsembleMember, {
          ...{ tenant, ensembleId: job.id, modelVersionId: id, position, name },
          memberVersionId: version.id,
        });
    });
    return id;
  }

  /** Errors: NOT_FOUND for ids, CONFLICT for members that cannot be used, BAD_USER_INPUT for those that do not fit. */
  private async plan(session: Session, wanted: Wanted): Promise<Plan> {
    const { models, datasets } = this.deps;
    const model = await models.get(session, wanted.modelId);
    requireCount(wanted.method, wanted.memberIds.length);
    const members = await this.readMembers(session, wanted.memberIds, model);
    const task = commonTask(
      members.map(({ version: { id, signature }, name, task: own }) => ({ id, name, signature, task: own })),
      wanted.method,
    );
    requireTask(model, task);
    const learnt = await this.learntBy(session, members);
    const trainings = learnt.flatMap(({ position, datasetId, config }) =>
      config ? [{ name: members[position]!.name, datasetId, config }] : [],
    );
    requireSameTarget(trainings);
    const stacking = wanted.method === 'STACKING' ? await this.stacking(session, members) : null;
    const growing = await this.growing(session, wanted, members[0]!);
    const datasetId = wanted.datasetId ?? trainings[0]?.datasetId;
    if (datasetId === undefined)
      throw badInput('input.datasetId', 'a dataset with rows for the members, as none was trained here', 'nothing');
    const dataset = await datasets.get(session, datasetId);
    this.requireTarget(wanted, dataset, trainings[0]?.config ?? null);
    requireColumns(dataset, members, wanted.target?.column ?? trainings[0]?.config.target?.column);
    const onThis = learnt.filter((one) => one.dataset === dataset.sha256);
    const reason = seenReason(onThis, members);
    if (reason !== null && wanted.weights === null && !stacking && !growing)
      throw badInput(
        'input.datasetId',
        `a dataset with rows from which no member has learnt: of ${dataset.name}, version ${dataset.version}, ${reason}`,
        dataset.id,
      );
    const training = trainings.find((one) => one.datasetId === dataset.id) ?? trainings[0] ?? null;
    return {
      ...{ model, task, members, dataset, unseen: reason === null, stacking, growing },
      training: training && { datasetId: training.datasetId, config: training.config },
    };
  }

  private async readMembers(session: Session, ids: readonly string[], model: Model): Promise<Member[]> {
    const members: Member[] = [];
    for (const [position, id] of ids.entries()) {
      if (ids.indexOf(id) < position) throw badInput(memberField(position), 'each version once', id);
      const version = await this.deps.versions.getReady(session, id);
      const own = await this.deps.models.get(session, version.modelId);
      const name = `${own.name} v${version.version}`;
      if (version.stage === 'ARCHIVED')
        throw conflict(`${name} is ARCHIVED: bring it back to DEVELOPMENT first (demoteModelVersion).`, {
          field: memberField(position),
          expected: 'a version that is not archived',
          got: version.stage,
        });
      const insideIds = await withMembers(session, id);
      const inside = await Promise.all(insideIds.map((one) => this.deps.versions.get(session, one)));
      const combined = await ensemblesOfVersions(session, insideIds);
      if (inside.some(({ modelId }, i) => combined[i] && modelId === model.id))
        throw badInput(
          memberField(position),
          `a version that is no ensemble of model ${model.name} and contains none, because it would contain itself`,
          name,
        );
      members.push({ version, name, task: own.task, inside });
    }
    return members;
  }

  /** From which rows the members have learnt, also through ensembles among them. */
  private async learntBy(session: Session, members: readonly Member[]): Promise<(Learnt & { datasetId: string })[]> {
    const learnt: (Learnt & { datasetId: string })[] = [];
    for (const [position, { inside }] of members.entries()) {
      const ensembles = await ensemblesOfVersions(
        session,
        inside.map(({ id }) => id),
      );
      for (const [i, { runId, sourceUri }] of inside.entries()) {
        const training = sourceUri == null ? await trainedModelOf(session, runId) : null;
        const ensemble = ensembles[i];
        const datasetId = training?.datasetId ?? (ensemble && learntFromHoldout(ensemble) ? ensemble.datasetId : null);
        if (datasetId == null) continue;
        const { sha256 } = await this.deps.datasets.get(session, datasetId);
        learnt.push({ position, datasetId, dataset: sha256, config: training?.config ?? null });
      }
    }
    return learnt;
  }

  private async growing(
    session: Session,
    { method, growth }: Wanted,
    { name, version: { runId, sourceUri } }: Member,
  ): Promise<Growing | null> {
    const training = grows(method) && sourceUri == null ? await trainedModelOf(session, runId) : null;
    return growingOf(method, growth ?? null, { name, training });
  }

  private async stacking(session: Session, members: readonly Member[]): Promise<Stacking> {
    const stacked = members.map(async ({ name, version: { runId, sourceUri } }) => ({
      name,
      training: sourceUri == null ? await trainedModelOf(session, runId) : null,
    }));
    return stackingOf(await Promise.all(stacked));
  }

  private requireTarget({ target }: Wanted, dataset: Dataset, config: TrainingConfig | null): void {
    if (config) {
      if (target) throw badInput('input.target', 'none, because a training of a member defines it', target.column);
      return;
    }
    const names = dataset.columns.map(({ name }) => name);
    if (!target || !names.includes(target.column))
      throw badInput(
        'input.target.column',
        `the column that the members predict (${names.slice(0, 20).join(', ')}), as none was trained here`,
        target?.column ?? 'nothing',
      );
  }

  private async membersOf({ members }: Plan, held: DisposableStack) {
    return Promise.all(
      members.map(async ({ version, name }, position) => {
        const { id: versionId, sha256, signature } = version;
        try {
          const { path } = held.use(await this.deps.versions.modelFile(version));
          return { path, sha256, signature, versionId, name };
        } catch (error) {
          if (!(error instanceof AppError) || error.code !== ErrorCode.NOT_FOUND) throw error;
          throw conflict(`The model file of ${name} is gone: register that model again, or leave it out.`, {
            field: memberField(position),
            expected: 'a version whose files are stored',
            got: versionId,
          });
        }
      }),
    );
  }

  private async dataOf(
    attempt: EnsembleAttempt,
    { training, dataset, task }: Plan,
    target: TargetColumn | null,
    held: DisposableStack,
  ): Promise<EvaluationData> {
    const tableOf = async (of: Dataset) => held.use(await this.deps.datasets.localTable(of)).table;
    if (!training) {
      if (!target) throw badInput('input.target', 'the column that the members predict', target);
      return { kind: 'ALL', task, target, file: await tableOf(dataset) };
    }
    const own = await attempt.read((session) => this.deps.datasets.get(session, training.datasetId));
    return {
      kind: 'HOLDOUT',
      config: training.config,
      learntFromHalf: false,
      training: await tableOf(own),
      other: own.id === dataset.id ? null : await tableOf(dataset),
    };
  }
}

/** Without what is null. */
function present(given: GivenGrowth): Partial<Growing> {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value != null));
}

const targetColumn = ({ column, greaterThan }: NonNullable<CreateEnsembleInput['target']>): TargetColumn => ({
  column,
  ...(greaterThan != null && { greaterThan }),
});

/** A model takes the task of its versions, unless it has another one. */
function requireTask({ name, task: own, taskGuessed }: Model, task: EnsembleTask): void {
  if (own === task || own === 'OTHER' || taskGuessed) return;
  throw conflict(`Model "${name}" is for ${own}; the members are for ${task}.`, {
    field: 'input.modelId',
    expected: task,
    got: own,
  });
}

function requireColumns(dataset: Dataset, members: readonly Member[], target: string | undefined): void {
  const names = dataset.columns.map(({ name }) => name);
  for (const [position, { version, name }] of members.entries()) {
    requireMapped(version.signature, {
      versionId: version.id,
      candidates: names.filter((column) => column !== target),
    });
    const missing = neededColumns(version.signature).find((column) => !names.includes(column));
    if (missing !== undefined)
      throw badInput(
        memberField(position),
        `a version whose inputs are columns of ${dataset.name} (${names.slice(0, 20).join(', ')})`,
        `${name} with the input ${missing}`,
      );
  }
}
