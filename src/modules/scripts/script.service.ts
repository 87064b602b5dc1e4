import { v7 as uuidv7 } from 'uuid';
import { AppError, badInput, conflict, ErrorCode } from '../../errors.js';
import type { Actor, Database, Session } from '../../db/database.js';
import { Job } from '../../db/entities/jobs/job.entity.js';
import type { ScriptPlace } from '../../training/scripts/port.js';
import { addUsedDataset } from '../experiments/index.js';
import { characters, checkText, type InputRange } from '../core/index.js';
import { type AttemptOf, type JobRequest, NO_RESOURCES, OUTSIDE_QUEUE, type Scheduler } from '../jobs/index.js';
import { audit } from '../platform/index.js';
import type { UploadService } from '../uploads/index.js';
import { ScriptAttempt, type ScriptParts } from './script-attempt.js';
import { SCRIPT } from './script.job-kind.js';

export interface StartScriptInput {
  experimentId: string;
  uploadId: string;
  command: string;
  datasetId?: string | null;
  runName?: string | null;
  /** LOCAL when absent. */
  backend?: ScriptPlace | null;
  job?: JobRequest | null;
}

interface StartAgainInput extends Pick<StartScriptInput, 'experimentId' | 'command' | 'datasetId' | 'job'> {
  backend: ScriptPlace;
  /** Where the code is stored. */
  codeKey: string;
}

export const COMMAND: InputRange = characters(1, 4_000);
/** Ray keeps such packages in the memory of its head. */
const MAX_ARCHIVE_BYTES = 256 * 1024 ** 2;
/** The core of the first process, which counts for the share of the tenant. */
const ON_CLUSTER = { ...NO_RESOURCES, cores: 1 };
const CODE_PATH = 'code/script.zip';

const OFF = {
  LOCAL:
    'Scripts do not run on the workers of this service: its operator allows it with ALLOW_LOCAL_SCRIPTS=true. ' +
    'Or choose another `backend`.',
  RAY: 'This service knows no Ray cluster: set RAY_ADDRESS, or leave out `backend`.',
} as const satisfies Record<ScriptPlace, string>;

/** Code of users, as jobs with a run. */
export class ScriptService {
  constructor(
    private readonly db: Database,
    private readonly uploads: UploadService,
    private readonly scheduler: Scheduler,
    private readonly parts: ScriptParts,
    /** Whether the workers are in this process, so that it knows what they can run. */
    private readonly isWorker: boolean,
  ) {}

  /**
   * Checks the code and queues the script. UNAVAILABLE when none can run at this place; BAD_USER_INPUT says what is
   * wrong with the zip.
   */
  async start(actor: Actor, input: StartScriptInput): Promise<Job> {
    const place = input.backend ?? 'LOCAL';
    const { command } = input;
    checkText(command, null, 'input.command', COMMAND);
    if (command.trim() === '') throw badInput('input.command', 'a command, e.g. python train.py', command);
    checkRequest(place, input);
    const upload = await this.db.transact(actor, async (session) => {
      await this.parts.experiments.get(session, input.experimentId);
      if (input.datasetId != null) await this.parts.datasets.get(session, input.datasetId);
      return this.uploads.get(session, input.uploadId);
    });
    await this.requirePlace(place);
    if (upload.sizeBytes > MAX_ARCHIVE_BYTES)
      throw badInput('input.uploadId', `a zip of at most ${MAX_ARCHIVE_BYTES} bytes`, upload.sizeBytes);
    const { objects, staged, scripts } = this.parts;
    using file = await objects.localFile(upload.objectKey);
    await scripts.checkArchive(file.path, 'input.uploadId');
    const runId = uuidv7();
    const codeKey = codeKeyOf(actor.principal.tenant, runId);
    await this.db.transact(actor, (session) => staged.stage(session, codeKey));
    try {
      const stored = await objects.put(codeKey, await objects.get(upload.objectKey));
      return await this.db.transact(actor, async (session) => {
        const job = await this.create(session, input, { runId, codeKey, place, sha256: stored.sha256 });
        await this.parts.artifacts.record(session, { runId }, CODE_PATH, codeKey, stored);
        return job;
      });
    } catch (error) {
      await staged.discard(codeKey);
      throw error;
    }
  }

  /** Another run of stored code. CONFLICT when the code is gone; otherwise as `start`, without a look at the place. */
  async startAgain(session: Session, { codeKey, ...input }: StartAgainInput): Promise<Job> {
    checkRequest(input.backend, input);
    const code = await this.parts.artifacts.at(session, codeKey);
    if (!code)
      throw conflict('The code of the script is gone, as its run was deleted: start a script anew.', {
        ...{ field: 'input.jobId', expected: 'a script whose run exists', got: 'one without its code' },
      });
    const runId = uuidv7();
    return this.create(session, input, {
      ...{ runId, codeKey: codeKeyOf(session.tenant, runId), place: input.backend },
      ...{ sha256: code.sha256, copiedFrom: codeKey },
    });
  }

  /** Runs one attempt. */
  execute(attempt: AttemptOf<typeof SCRIPT>): Promise<void> {
    return new ScriptAttempt(this.parts, attempt).execute();
  }

  private async create(
    session: Session,
    input: Omit<StartScriptInput, 'uploadId'>,
    code: { runId: string; codeKey: string; copiedFrom?: string; sha256: string; place: ScriptPlace },
  ): Promise<Job> {
    const { runs, jobs, datasets } = this.parts;
    const { runId, codeKey, copiedFrom, sha256, place } = code;
    const { experimentId, command } = input;
    const isLocal = place === 'LOCAL';
    const dataset = input.datasetId == null ? null : await datasets.get(session, input.datasetId);
    const kind = isLocal ? SCRIPT : { ...SCRIPT, resources: ON_CLUSTER };
    const requested = await this.scheduler.requested(session, kind, input.job);
    await runs.create(session, {
      ...{ id: runId, experimentId, name: input.runName, status: 'QUEUED' },
      source: { entryPoint: command.slice(0, 500) },
    });
    if (dataset) addUsedDataset(session, runId, dataset.id, 'TRAINING');
    const job = jobs.create(session, SCRIPT, {
      ...requested,
      input: { command, codePath: CODE_PATH, codeKey, backend: place, copiedFrom },
      ...(!isLocal && { resources: ON_CLUSTER, workers: 1, queue: OUTSIDE_QUEUE }),
      ...{ runId, datasetId: dataset?.id },
    });
    await session.em.flush();
    audit(session, 'startScript', { type: 'job', id: job.id }, null, {
      ...{ runId, command, sha256, backend: place, datasetId: dataset?.id ?? null },
    });
    return job;
  }

  /** UNAVAILABLE when no script can run at this place now. */
  async requirePlace(place: ScriptPlace): Promise<void> {
    const backend = this.parts.scripts.backend(place);
    const problem = backend ? (place === 'LOCAL' && !this.isWorker ? null : await backend.problem()) : OFF[place];
    if (problem) throw new AppError(ErrorCode.UNAVAILABLE, problem, { field: 'input.backend' });
  }
}

function codeKeyOf(tenant: string, runId: string): string {
  return `${tenant}/runs/${runId}/artifacts/${uuidv7()}/${CODE_PATH}`;
}

/** What a place does not have. */
function checkRequest(place: ScriptPlace, { job, datasetId }: Pick<StartScriptInput, 'job' | 'datasetId'>): void {
  if (place === 'LOCAL') {
    if ((job?.gpus ?? 0) > 0) throw badInput('input.job.gpus', '0: the sandbox of a script has no GPU', job?.gpus);
    if ((job?.workers ?? 1) > 1) throw badInput('input.job.workers', '1: a script is one program', job?.workers);
    return;
  }
  for (const of of ['cores', 'memoryBytes', 'gpus', 'workers'] as const)
    if (job?.[of] != null) throw badInput(`input.job.${of}`, 'nothing: the cluster has resources of its own', job[of]);
  if (datasetId != null)
    throw badInput('input.datasetId', 'nothing with the backend RAY: the script reads its data itself', datasetId);
}
