import { badInput } from '../../errors.js';
import type { DeploymentStatistics, RepositoryEntry } from '../../modules/serving/index.js';
import { objectAt } from './parameters.js';

/** An entry of an index; like Triton, nothing but the name for a model without a version. */
export function toIndexEntry({ name, version, state, reason }: RepositoryEntry) {
  return version === null ? { name } : { name, version: String(version), state: state!, reason };
}

/**
 * The versions that a load or unload names: by the parameter `version`, or as Triton's clients do by the policy of the
 * configuration they send. Empty for none.
 */
export function wantedVersions(parameters: Readonly<Record<string, unknown>>): number[] {
  const file = Object.keys(parameters).find((name) => name.startsWith('file:'));
  if (file !== undefined)
    throw badInput(`parameters.${file}`, 'a version of the registry: upload and register the file first', 'a file');
  const { version, config } = parameters;
  if (version !== undefined) return [asVersion('parameters.version', version)];
  if (config === undefined) return [];
  const policy = objectAt('parameters.config.version_policy', readConfig(config)['version_policy']);
  const { versions } = objectAt('parameters.config.version_policy.specific', policy['specific']);
  if (versions === undefined) return [];
  if (!Array.isArray(versions))
    throw badInput('parameters.config.version_policy.specific.versions', 'a list', versions);
  return versions.map((one) => asVersion('parameters.config.version_policy.specific.versions', one));
}

function readConfig(config: unknown): Readonly<Record<string, unknown>> {
  try {
    return objectAt('parameters.config', JSON.parse(typeof config === 'string' ? config : ''));
  } catch {
    throw badInput('parameters.config', 'a text with JSON', config);
  }
}

function asVersion(field: string, value: unknown): number {
  const number = typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : value;
  if (!Number.isSafeInteger(number) || (number as number) < 1)
    throw badInput(field, 'the number of a version, from 1', value);
  return number as number;
}

const NS_PER_MS = 1_000_000;

/** The statistics of a model as Triton's clients read them. */
export function toStatistics({ name, version, rows, answered, failed, latencyMs }: DeploymentStatistics) {
  const requests = answered + failed;
  const share = (count: number) => ({
    count,
    ns: requests > 0 ? Math.round((latencyMs * NS_PER_MS * count) / requests) : 0,
  });
  return {
    name,
    version: String(version),
    inference_count: rows,
    execution_count: requests,
    inference_stats: { success: share(answered), fail: share(failed) },
  };
}
