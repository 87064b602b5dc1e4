import { z } from 'zod';
import { Job } from '../../db/entities/jobs/job.entity.js';
import { ModelVersion } from '../../db/entities/registry/model-version.entity.js';
import { Dataset } from '../../db/entities/datasets/dataset.entity.js';
import type { Actor, Database, Session } from '../../db/database.js';
import { AppError, badInput, conflict, ErrorCode } from '../../errors.js';
import { audit } from '../platform/index.js';
import { type JobKind, OUTSIDE_QUEUE, type Stored } from './job-kind.js';
import type { JobService } from './job.service.js';

/** What a job was asked to have, as it is kept for later jobs; resources only where workers of this service run it. */
export const keptRequest = z.object({
  priority: z.int(),
  maxDurationMs: z.int().nullable(),
  cores: z.number().optional(),
  memoryBytes: z.int().optional(),
  gpus: z.int().optional(),
  workers: z.int().optional(),
});

/** Says for a kind what another job needs to be the same, and starts it with all checks of a first one. */
export interface CloneRule<Template extends Stored = Stored> {
  kind: JobKind;
  /** What is kept of a job: ids and settings, never rows that may be deleted. */
  template: Template;
  templateOf(session: Session, job: Job): Promise<z.input<Template>>;
  /** Called before the transaction of a start by a person: UNAVAILABLE when the place where it shall run is away. */
  check?(actor: Actor, template: z.output<Template>): Promise<void>;
  start(session: Session, template: z.output<Template>, refs: JobRefs, choice: CloneChoice): Promise<Job>;
}

/** The objects that a clone works on; null where the job has none. */
export interface JobRefs {
  datasetId: string | null;
  modelVersionId: string | null;
}

/** Which of its objects a clone takes anew. */
export interface CloneChoice {
  /** The newest version of the dataset's name, in place of the same version. */
  newestDataset: boolean;
  /** The version in production of the same model, in place of the same version. */
  productionVersion: boolean;
}

/** What is kept of a job so that it can be started again, also when the job itself is gone. */
export interface JobTemplate extends JobRefs {
  kind: string;
  settings: object;
}

interface KnownRule {
  templateOf(session: Session, job: Job): Promise<object>;
  check(actor: Actor, settings: unknown): Promise<void>;
  start(session: Session, settings: unknown, refs: JobRefs, choice: CloneChoice): Promise<Job>;
}

/** Starts jobs like earlier ones. Modules add the rules of their kinds. */
export class JobCloner {
  private readonly rules = new Map<string, KnownRule>();

  constructor(
    private readonly db: Database,
    private readonly jobs: JobService,
  ) {}

  add<Template extends Stored>({ kind, template, templateOf, check, start }: CloneRule<Template>): void {
    const read = (settings: unknown): z.output<Template> => {
      const { data, success } = template.safeParse(settings);
      if (success) return data;
      throw conflict(
        `The settings of this ${kind.kind} cannot be read, as another version of the service stored them: ` +
          'start such a job anew.',
        { expected: 'settings of this version of the service', got: 'others' },
      );
    };
    this.rules.set(kind.kind, {
      templateOf: async (session, job) => template.parse(await templateOf(session, job)),
      check: async (actor, settings) => check?.(actor, read(settings)),
      start: async (session, settings, refs, choice) => start(session, read(settings), refs, choice),
    });
  }

  /** Another job like this one, in any state. NOT_FOUND, and the errors of a first job. */
  async clone(actor: Actor, jobId: string, choice: CloneChoice): Promise<Job> {
    const template = await this.db.transact(actor, (session) => this.templateOf(session, jobId, choice));
    await this.check(actor, template);
    return this.db.transact(actor, async (session) => {
      const job = await this.start(session, template, choice);
      audit(session, 'cloneJob', { type: 'job', id: job.id }, null, { clonedFromJobId: jobId, ...choice });
      return job;
    });
  }

  /** Call before the transaction that starts a job for a person: the errors of a place that is away. */
  async check(actor: Actor, { kind, settings }: JobTemplate): Promise<void> {
    await this.rules.get(kind)?.check(actor, settings);
  }

  /** BAD_USER_INPUT for a kind that cannot be started again, and for a choice that the job does not have. */
  async templateOf(session: Session, jobId: string, choice: CloneChoice): Promise<JobTemplate> {
    const job = await this.jobs.get(session, jobId);
    const rule = this.rules.get(job.kind);
    if (!rule) throw badInput('input.jobId', `a job of the kind ${[...this.rules.keys()].join(', ')}`, job.kind);
    if (choice.productionVersion && job.modelVersionId == null)
      throw badInput('input.productionVersion', `false, as a job of the kind ${job.kind} has no model version`, true);
    const { kind, datasetId = null, modelVersionId = null } = job;
    return { kind, datasetId, modelVersionId, settings: await rule.templateOf(session, job) };
  }

  /** Starts a job with the errors of a first one. */
  async start(session: Session, { kind, settings, ...refs }: JobTemplate, choice: CloneChoice): Promise<Job> {
    const rule = this.rules.get(kind);
    if (!rule) throw conflict(`No module of this service starts jobs of the kind ${kind} again.`, { got: kind });
    const datasetId = choice.newestDataset ? await newestVersion(session, refs.datasetId) : refs.datasetId;
    const modelVersionId = choice.productionVersion
      ? await versionInProduction(session, refs.modelVersionId)
      : refs.modelVersionId;
    return rule.start(session, settings, { datasetId, modelVersionId }, choice);
  }
}

/** What the job was asked to have, for another one like it. */
export function requestOf({ priority, maxDurationMs, queue, cores, memoryBytes, gpus, workers }: Job) {
  return {
    ...{ priority, maxDurationMs: maxDurationMs ?? null },
    ...(queue !== OUTSIDE_QUEUE && { cores, memoryBytes, gpus, workers }),
  };
}

/** The newest version of the same dataset; the id itself when the version is gone, so that its use says so. */
async function newestVersion({ em, tenant }: Session, datasetId: string | null): Promise<string | null> {
  const known = datasetId && (await em.findOne(Dataset, { tenant, id: datasetId }));
  if (!known) return datasetId;
  const newest = await em.findOne(Dataset, { tenant, name: known.name }, { orderBy: { version: 'DESC' } });
  return newest?.id ?? datasetId;
}

async function versionInProduction({ em, tenant }: Session, versionId: string | null): Promise<string | null> {
  const known = versionId && (await em.findOne(ModelVersion, { tenant, id: versionId }));
  if (!known) return versionId;
  const found = await em.findOne(ModelVersion, { tenant, modelId: known.modelId, stage: 'PRODUCTION' });
  if (!found)
    throw new AppError(ErrorCode.CONFLICT, 'No version of the model is in production: promote one first.', {
      ...{ field: 'input.productionVersion', expected: 'a model with a version in production', got: 'none' },
    });
  return found.id;
}
