import { UUID } from '../../domain/platform/ids.js';
import { doesNotExist } from './errors.js';

/** MLflow writes ids as 32 hex digits. */
export const toHex = (id: string) => id.replaceAll('-', '');

/** The id of ours that a text stands for, with hyphens or without; null for any other text. */
function fromHex(text: string): string | null {
  const id = text.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  return UUID.test(id) ? id : UUID.test(text) ? text : null;
}

export function runIdOf(text: string): string {
  const id = fromHex(text);
  if (!id) throw doesNotExist(`Run with id=${text} not found`);
  return id;
}

const MODEL_PREFIX = 'm-';

/** Logged models have a letter before theirs. */
export const toModelId = (id: string) => `${MODEL_PREFIX}${toHex(id)}`;

export function loggedModelIdOf(text: string): string {
  const id = text.startsWith(MODEL_PREFIX) ? fromHex(text.slice(MODEL_PREFIX.length)) : null;
  if (!id) throw doesNotExist(`Logged model with ID '${text}' not found.`);
  return id;
}

/** Each tenant has an experiment that is called by this id. */
export const DEFAULT_EXPERIMENT = '0';

export const toExperimentId = ({ id, isDefault }: { id: string; isDefault: boolean }) => (isDefault ? DEFAULT_EXPERIMENT : toHex(id));

/** The default experiment as it is; an id of any other shape is of none. */
export function experimentIdOf(text: string): string {
  if (text === DEFAULT_EXPERIMENT) return text;
  const id = fromHex(text);
  if (!id) throw doesNotExist(`No Experiment with id=${text} exists`);
  return id;
}
