import { invalidParameter } from '../errors.js';
import { addToList, isDeep } from '../python-json.js';
import { MAX_TAG_VALUE_LENGTH } from './checks.js';

/** The tag in which MLflow stores, as a JSON list, which models a run logged. */
export const MODEL_HISTORY_TAG = 'mlflow.log-model.history';

const REQUIRED = ['artifact_path', 'flavors', 'utc_time_created', 'run_id'];
const KEPT = ['run_id', 'artifact_path', 'utc_time_created', 'model_uuid'];

type Json = Record<string, unknown>;

const isObject = (value: unknown): value is Json =>
  value !== null && typeof value === 'object' && !Array.isArray(value);

/** The entry of the history for a model, made from the JSON of its MLmodel file. */
export function modelEntry(text: string): Json {
  let model: unknown;
  try {
    model = JSON.parse(text);
  } catch {
    throw invalidParameter(`Malformed model info. \n ${text.slice(0, 500)} \n is not a valid JSON.`);
  }
  if (!isObject(model)) throw invalidParameter('Model info must be a JSON object.');
  if (isDeep(model)) throw invalidParameter('Model info nests too deep.');
  const missing = REQUIRED.filter((field) => !(field in model)).map((field) => `'${field}'`);
  if (missing.length > 0) throw invalidParameter(`Model json is missing mandatory fields: {${missing.join(', ')}}`);
  const flavors = isObject(model['flavors']) ? model['flavors'] : {};
  const shown = Object.entries(flavors).map(([flavor, config]) => [
    flavor,
    isObject(config) ? Object.fromEntries(Object.entries(config).filter(([key]) => key !== 'config')) : config,
  ]);
  return {
    ...Object.fromEntries(KEPT.filter((field) => field in model).map((field) => [field, model[field]])),
    flavors: Object.fromEntries(shown),
  };
}

/** The history with one more model. The oldest entries are dropped when it gets too long for a tag. */
export function addToModelHistory(before: string | null, entry: Json): string {
  const history = addToList(before, entry, MAX_TAG_VALUE_LENGTH);
  if (history.length > MAX_TAG_VALUE_LENGTH)
    throw invalidParameter(`The model info is longer than the ${MAX_TAG_VALUE_LENGTH} characters of a tag.`);
  return history;
}
