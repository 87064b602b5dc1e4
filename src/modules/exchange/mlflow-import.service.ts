import { z } from 'zod';
import type { ConnectMlflow, MlflowCredentials } from '../../adapters/mlflow-server/port.js';
import type { Job } from '../../db/entities/jobs/job.entity.js';
import type { Session } from '../../db/database.js';
import { Role, checkOutboundUrl, type OutboundPolicy, ANY_ITEMS, characters, type InputRange } from '../core/index.js';
import { AppError, badInput, conflict, ErrorCode } from '../../errors.js';
import { type AttemptOf, type JobService, keepSecret, secretOf } from '../jobs/index.js';
import { audit } from '../platform/index.js';
import { ExperimentImport, type ExperimentImportServices } from './experiment-import.js';
import { ImportWork } from './import-work.js';
import { type ImportConfig, MLFLOW_IMPORT } from './mlflow-import.job-kind.js';
import { MlflowReader } from './mlflow-reader.js';
import { ModelImport, type ModelImportServices } from './model-import.js';

export interface MlflowImportInput extends MlflowCredentials {
  trackingUri: string;
  experimentNames?: string[] | null;
  modelNames?: string[] | null;
  withArtifacts: boolean;
  withDeleted: boolean;
  keepStages: boolean;
}

interface Dependencies extends ExperimentImportServices, ModelImportServices {
  jobs: JobService;
  connect: ConnectMlflow;
  policy: OutboundPolicy;
}

const CREDENTIALS = z.object({
  token: z.string().nullish(),
  username: z.string().nullish(),
  password: z.string().nullish(),
});
export const IMPORTED_NAMES: InputRange = { ...ANY_ITEMS, unit: 'names', each: characters(1, 500) };
export const SECRET = characters(1, 8_000);
/** Part of the progress for experiments; the rest is for models. */
const EXPERIMENTS_SHARE = 0.8;

/** Imports from another tracking server. It can be repeated: what was imported already is not duplicated. */
export class MlflowImportService {
  constructor(private readonly deps: Dependencies) {}

  /** Errors: URL_NOT_ALLOWED; FORBIDDEN when a role other than ADMIN asks to keep the stages. */
  async start(session: Session, input: MlflowImportInput): Promise<Job> {
    const url = checkOutboundUrl('input.trackingUri', input.trackingUri, this.deps.policy);
    if (url.search !== '') throw badInput('input.trackingUri', 'an address without a query', input.trackingUri);
    if (input.keepStages && session.principal.role !== Role.ADMIN) {
      const details = { field: 'input.keepStages', expected: Role.ADMIN, got: session.principal.role };
      throw new AppError(ErrorCode.FORBIDDEN, 'Importing stages past the gates needs the role ADMIN.', details);
    }
    const config: ImportConfig = {
      server: `${url.origin}${url.pathname.replace(/\/+$/, '')}`,
      experimentNames: unique(input.experimentNames),
      modelNames: unique(input.modelNames),
      ...{ withArtifacts: input.withArtifacts, withDeleted: input.withDeleted, keepStages: input.keepStages },
    };
    const credentials = checkCredentials(input);
    const job = this.deps.jobs.create(session, MLFLOW_IMPORT, { input: config });
    await session.em.flush();
    // Not part of the job, which people and logs see.
    await keepSecret(session, job.id, credentials);
    audit(session, 'importFromMlflow', { type: 'job', id: job.id }, null, config);
    return job;
  }

  async execute(attempt: AttemptOf<typeof MLFLOW_IMPORT>): Promise<void> {
    const config = attempt.input;
    const { actor, credentials } = await attempt.read(async (session) => ({
      actor: { principal: session.principal, requestId: session.requestId },
      credentials: await credentialsOf(session, attempt.job.id),
    }));
    const server = this.deps.connect(config.server, credentials, attempt.signal);
    try {
      const work = new ImportWork(attempt, config, new MlflowReader(server), actor);
      await this.importAll(work);
      await attempt.succeed(work.tally);
    } finally {
      server.close();
    }
  }

  private async importAll(work: ImportWork): Promise<void> {
    const { reader, config } = work;
    const { experimentNames, modelNames } = config;
    const experiments = () =>
      experimentNames === null
        ? reader.experiments(config.withDeleted)
        : each(experimentNames, (name) => reader.experimentNamed(name));
    const models = () => (modelNames === null ? reader.models() : each(modelNames, (name) => reader.modelNamed(name)));
    const [experimentCount, modelCount] = [await countOf(experiments()), await countOf(models())];
    const experimentImport = new ExperimentImport(this.deps, work);
    let done = 0;
    for await (const experiment of experiments()) {
      const fraction = (EXPERIMENTS_SHARE * done) / Math.max(done, experimentCount);
      await work.leniently(`experiment ${experiment.name}`, () =>
        experimentImport.importExperiment(experiment, () => work.progress(fraction)),
      );
      done += 1;
    }
    const modelImport = new ModelImport(this.deps, work);
    done = 0;
    for await (const model of models()) {
      work.progress(EXPERIMENTS_SHARE + ((1 - EXPERIMENTS_SHARE) * done) / Math.max(done, modelCount));
      await work.leniently(`model ${model.name}`, () => modelImport.importModel(model));
      done += 1;
    }
  }
}

async function* each<T>(names: string[], read: (name: string) => Promise<T>): AsyncGenerator<T> {
  for (const name of names) yield await read(name);
}

/** The list is read twice, once only to count it, because it may be too long for the memory. */
async function countOf(objects: AsyncIterable<unknown>): Promise<number> {
  let count = 0;
  for await (const one of objects) count += one === undefined ? 0 : 1;
  return count;
}

const unique = (names: string[] | null | undefined): string[] | null => (names == null ? null : [...new Set(names)]);

function checkCredentials({ token, username, password }: MlflowCredentials): MlflowCredentials {
  for (const [field, value] of Object.entries({ token, username, password })) {
    // An error never shows the secret, not even a wrong one. A line break in it would begin another header.
    if (value != null && !/^[\x20-\x7e]*$/.test(value))
      throw badInput(`input.${field}`, 'plain characters', '(hidden)');
  }
  if (token != null && (username != null || password != null))
    throw badInput('input.token', 'a token, or a user name and a password', '(hidden)');
  if ((username == null) !== (password == null))
    throw badInput('input.password', 'a user name and a password together', '(hidden)');
  return { token, username, password };
}

async function credentialsOf(session: Session, jobId: string): Promise<MlflowCredentials> {
  const secret = await secretOf(session, jobId);
  if (secret === null)
    throw conflict(
      'The credentials of this import are no longer stored. Start the import again: it continues where it ' +
        'stopped.',
    );
  return CREDENTIALS.parse(secret);
}
