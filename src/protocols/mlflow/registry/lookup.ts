import type { Model } from '../../../db/entities/registry/model.entity.js';
import type { ModelVersion } from '../../../db/entities/registry/model-version.entity.js';
import type { Session } from '../../../db/database.js';
import { aliasesOf, findModelByName, findVersionByNumber, newestOfStages } from '../../../modules/registry/index.js';
import { doesNotExist, invalidParameter, whenTaken } from '../errors.js';
import { checkAsPath, uncutTag } from '../experiments/checks.js';
import { toModelVersion, toRegisteredModel } from './views.js';

const MAX_TAG_VALUE_LENGTH = 100_000;

/** Checks the name of a registered model by MLflow's rules, with its messages. */
export function checkModelName(name: string): void {
  if (name.trim() === '') throw invalidParameter("Missing value for required parameter 'name'.");
  if (/[/:]/.test(name)) throw invalidParameter(`Invalid model name '${name}'. Names cannot contain '/' or ':'.`);
  checkAsPath('name', name);
}

export const checkTag = uncutTag(MAX_TAG_VALUE_LENGTH);

export async function findModel(session: Session, name: string): Promise<Model> {
  checkModelName(name);
  const model = await findModelByName(session, name);
  if (!model) throw doesNotExist(`Registered Model with name=${name} not found`);
  return model;
}

export async function findVersion(
  session: Session,
  { name, version: text }: { name: string; version: string },
): Promise<{ model: Model; version: ModelVersion }> {
  checkModelName(name);
  const number = toVersionNumber(text);
  const absent = `Model Version (name=${name}, version=${BigInt(text)}) not found`;
  const model = await findModelByName(session, name);
  const version = model && number <= MAX_VERSION && (await findVersionByNumber(session, model.id, number));
  if (!version) throw doesNotExist(absent);
  return { model, version };
}

/** The limit of its column. */
const MAX_VERSION = 2 ** 31 - 1;

export function toVersionNumber(text: string): number {
  const number = /^\s*[-+]?\d+\s*$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isNaN(number)) throw invalidParameter(`Parameter 'version' must be an integer, got '${text}'.`);
  return number;
}

/** Models with the newest version of each stage, and their aliases. */
export async function showModels(session: Session, models: Model[]): Promise<object[]> {
  const ids = models.map(({ id }) => id);
  const latest = await newestOfStages(session, ids);
  const aliases = await aliasesOf(session, ids);
  const of = <T extends { modelId: string }>(items: T[], id: string) => items.filter(({ modelId }) => modelId === id);
  return models.map((model) => toRegisteredModel(model, of(latest, model.id), of(aliases, model.id)));
}

export async function showModel(session: Session, model: Model): Promise<object> {
  const [shown = {}] = await showModels(session, [model]);
  return shown;
}

/** Versions of one model with their aliases. */
export async function showVersions(session: Session, model: Model, versions: ModelVersion[]): Promise<object[]> {
  const aliases = await aliasesOf(session, [model.id]);
  return versions.map((version) =>
    toModelVersion(
      version,
      model.name,
      aliases.filter((alias) => alias.version === version.version).map(({ alias }) => alias),
    ),
  );
}

export async function showVersion(session: Session, model: Model, version: ModelVersion): Promise<object> {
  const [shown = {}] = await showVersions(session, model, [version]);
  return shown;
}

export const alreadyExists = (name: string) => whenTaken(() => `Registered Model (name=${name}) already exists.`);
