import { LRUCache } from 'lru-cache';
import type { Session } from '../../db/database.js';
import { ModelVersion } from '../../db/entities/registry/model-version.entity.js';
import type { Deployment } from '../../db/entities/serving/deployment.entity.js';
import { AppError, ErrorCode } from '../../errors.js';
import type { FanOut, FanOutModel } from '../../inference/fanout/port.js';
import type { InferOptions, InferResult, RuntimeName } from '../../inference/port.js';
import { combinedMembersOf, type StoredCombination } from '../ensembles/index.js';
import type { Tensor } from '../model-contract/index.js';
import { requireOnnx } from '../registry/index.js';
import type { LoadedModels } from './loaded-models.js';

export type FanOutDeployment = Pick<Deployment, 'id' | 'tenant' | 'mode' | 'fanOut'>;

/** What the database knows of an ensemble. */
interface KnownEnsemble {
  combination: StoredCombination | null;
  /** Those of its members that there are. */
  versions: ModelVersion[];
}

export interface EnsembleSources {
  read(tenant: string, versionId: string, memberIds: readonly string[]): Promise<KnownEnsemble>;
  /** Hears what each member did, for the metrics of the process. */
  observe(memberVersionId: string, errorCode: string | null): void;
}

const MAX_ENSEMBLES = 1_000;

/** The ensembles that this process answers by asking their members, by deployment. */
export class FanOutModels {
  private readonly known = new LRUCache<string, FanOutModel>({ max: MAX_ENSEMBLES });

  constructor(
    private readonly fanOut: FanOut,
    private readonly modelsOf: (placed: { runtime: RuntimeName; mode: Deployment['mode'] }) => LoadedModels,
    private readonly sources: EnsembleSources,
  ) {}

  isLoaded(deploymentId: string): boolean {
    return this.known.has(deploymentId);
  }

  /** Loads every member on its runtime. The error says which member cannot be loaded. */
  async load(deployment: FanOutDeployment, version: ModelVersion): Promise<void> {
    const { model, load } = await this.read(deployment, version);
    await Promise.all(load.map((one) => one()));
    this.known.set(deployment.id, model);
  }

  /** A member that this process has not loaded yet is loaded by its first request. */
  async infer(
    deployment: FanOutDeployment,
    version: ModelVersion,
    inputs: Tensor[],
    options: InferOptions,
  ): Promise<InferResult> {
    let model = this.known.get(deployment.id);
    if (!model) {
      model = (await this.read(deployment, version)).model;
      this.known.set(deployment.id, model);
    }
    return this.fanOut(model, inputs, options, (versionId, error) =>
      this.sources.observe(versionId, error?.code ?? null),
    );
  }

  private async read({ tenant, mode, fanOut }: FanOutDeployment, version: ModelVersion) {
    const { signature } = requireOnnx(version);
    if (!fanOut) throw new Error('a deployment on FAN_OUT says how its members are asked');
    const ids = fanOut.members.map(({ versionId }) => versionId);
    const { combination, versions } = await this.sources.read(tenant, version.id, ids);
    if (!combination) throw new Error('an ensemble that is deployed on FAN_OUT says how it combines');
    const members = fanOut.members.map(({ versionId, name, runtime }) => {
      const found = versions.find(({ id }) => id === versionId);
      if (!found) throw new AppError(ErrorCode.UNAVAILABLE, `The member ${name} of this ensemble was deleted.`);
      const own = requireOnnx(found);
      const models = this.modelsOf({ runtime, mode });
      return {
        load: () => models.load(own).catch((error: unknown) => Promise.reject(ofMember(name, error))),
        member: {
          ...{ versionId, name, runtime, signature: own.signature },
          infer: (inputs: Tensor[], options: InferOptions) => models.infer(own, inputs, options),
        },
      };
    });
    const { neededMembers, memberDeadlineMs } = fanOut;
    const model: FanOutModel = {
      ...{ signature, combination, neededMembers, memberDeadlineMs },
      members: members.map(({ member }) => member),
    };
    return { model, load: members.map(({ load }) => load) };
  }
}

export async function readEnsemble(
  of: Pick<Session, 'em' | 'tenant'>,
  versionId: string,
  memberIds: readonly string[],
): Promise<KnownEnsemble> {
  const found = await combinedMembersOf(of, versionId);
  const versions = await of.em.find(ModelVersion, { tenant: of.tenant, id: { $in: [...memberIds] } });
  return { combination: found?.combination ?? null, versions };
}

function ofMember(name: string, error: unknown): unknown {
  if (!(error instanceof AppError)) return error;
  return new AppError(error.code, `${name}: ${error.message}`, error.details, { cause: error });
}
