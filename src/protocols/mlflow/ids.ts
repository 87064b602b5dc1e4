import { fromHexId, toHexId } from '../../modules/core/index.js';
import { ErrorCode, quote } from '../../errors.js';
import { doesNotExist, instead, invalidParameter } from './errors.js';

export const noRun = (text: string) => doesNotExist(`Run with id=${text} not found`);

export function runIdOf(text: string): string {
  const id = fromHexId(text);
  if (!id) throw noRun(text);
  return id;
}

const MODEL_PREFIX = 'm-';

/** Ids of logged models have a prefix. */
export const toModelId = (id: string) => `${MODEL_PREFIX}${toHexId(id)}`;

export const noLoggedModel = (text: string) => doesNotExist(`Logged model with ID '${text}' not found.`);

export function loggedModelIdOf(text: string): string {
  const id = text.startsWith(MODEL_PREFIX) ? fromHexId(text.slice(MODEL_PREFIX.length)) : null;
  if (!id) throw noLoggedModel(text);
  return id;
}

/** For `catch`: in an error about an absent object, replaces the UUID by the text that the client gave. */
const absentAmong = (texts: readonly string[], idOf: (text: string) => string, absent: (text: string) => Error) =>
  instead(ErrorCode.NOT_FOUND, (error) => {
    const missing = texts.find((text) => error.details.got === quote(idOf(text)));
    return missing === undefined ? error : absent(missing);
  });

export const absentRuns = (texts: readonly string[]) => absentAmong(texts, runIdOf, noRun);
export const absentLoggedModels = (texts: readonly string[]) => absentAmong(texts, loggedModelIdOf, noLoggedModel);

/** The id of the default experiment, the same in each tenant. */
export const DEFAULT_EXPERIMENT = '0';

export const toExperimentId = ({ id, isDefault }: { id: string; isDefault: boolean }) =>
  isDefault ? DEFAULT_EXPERIMENT : toHexId(id);

/**
 * The id of an experiment; the default one stays as it is. Null for other whole numbers, which are ids of MLflow's own
 * server and never of this service.
 */
export function experimentIdOf(text: string): string | null {
  if (text === DEFAULT_EXPERIMENT) return text;
  const id = fromHexId(text);
  if (!id && !/^\s*[-+]?\d+\s*$/.test(text)) {
    throw invalidParameter(
      `Invalid experiment ID '${text}'. Experiment ID must be ${DEFAULT_EXPERIMENT} or have 32 hexadecimal digits.`,
    );
  }
  return id;
}
