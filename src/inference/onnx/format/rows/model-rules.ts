/** Rules of the operators of ai.onnx.ml, and of those of com.microsoft that are allowed. */
import { ELEMENT_RULES, rowsFirst, unary } from './element-rules.js';
import { along, type Operator, reshaped, type Rule } from './operator.js';
import { broadcast, fail, fixed, isRows, product, rankOf, requireFixed, rows, type Size, type Value } from './value.js';

/** Rows with columns: the runtime would treat a list without rows as a single row. */
function matrix(op: Operator): Value {
  const x = op.input(0);
  if (isRows(x) && (x.axis !== 0 || x.dims.length !== 2)) fail('takes the rows for one row of columns');
  return x;
}

const like = (x: Value, dims: Size[]): Value => (isRows(x) ? rows(dims, 0) : fixed(dims));

/** Column by column, each with its own number. */
const perColumn: Rule = (op) => reshaped(rowsFirst(op, 2), op.input(0).dims);

const classifier: Rule = (op) => {
  const x = matrix(op);
  return [like(x, [null]), like(x, [null, null])];
};

const regressor: Rule = (op) => {
  const x = matrix(op);
  const targets = op.attribute('n_targets')?.int ?? op.attribute('targets')?.int ?? 1;
  return like(x, [null, targets]);
};

const normalizer: Rule = (op) => reshaped(matrix(op), op.input(0).dims);

const featureVectorizer: Rule = (op) => {
  for (const value of op.present)
    if (!isRows(value) || value.axis !== 0 || value.dims.length !== 2) fail('joins other than columns of rows');
  const width = op.present.reduce<Size>(
    (sum, { dims }) => (sum === null || dims![1] === null ? null : sum + dims![1]!),
    0,
  );
  return rows([null, width], 0);
};

const oneHotEncoder: Rule = (op) => {
  const x = op.input(0);
  const count = op.attribute('cats_strings')?.texts().length || (op.attribute('cats_int64s')?.ints?.length ?? null);
  return reshaped(x, x.dims && [...x.dims, count]);
};

/** Elements along the last axis; the indices count as one list. */
const arrayFeatureExtractor: Rule = (op) => {
  const [x, indices] = [op.input(0), op.input(1)];
  const count = indices.dims && product(indices.dims.filter((_, at) => at !== indices.axis));
  const rank = rankOf(x);
  if (isRows(indices)) {
    if (isRows(x)) fail('picks from rows by rows');
    if (count !== 1) fail('picks several for each row');
    const outer = rank === 1 ? [1] : x.dims!.slice(0, -1);
    return rows([...outer, null], outer.length);
  }
  if (!isRows(x)) return fixed();
  if (x.axis === rank - 1) fail('picks rows');
  return along(x, rank - 1, count ?? null, 'picks');
};

const stringNormalizer: Rule = (op) => {
  if (op.attribute('stopwords')?.texts().length) fail('leaves out texts');
  const x = op.input(0);
  // A list of texts is treated element by element; a matrix may have only one row.
  if (isRows(x) && x.dims.length !== 1) fail('takes one row alone');
  return unary(op);
};

/** Counts of n-grams for each row of texts. Padding must not be counted. */
const tfIdfVectorizer: Rule = (op) => {
  const x = matrix(op);
  if (x.padding !== undefined && op.attribute('pool_strings')?.texts().includes(x.padding)) fail('counts the padding');
  return like(x, [null, null]);
};

/** The words of each text, padded to the longest text of the batch. */
const tokenizer: Rule = (op) => {
  const x = op.input(0);
  return { ...reshaped(x, x.dims && [...x.dims, null]), padding: op.text('pad_value', '') };
};

/** Distances from each row of one input to each row of the other. */
const cdist: Rule = (op) => {
  const x = matrix(op);
  return like(x, [null, requireFixed(op.input(1), 'points')?.dims?.[0] ?? null]);
};

const fusedMatMul: Rule = (op) => {
  const turns = ['transA', 'transB', 'transBatchA', 'transBatchB'].some((name) => op.int(name, 0) !== 0);
  return turns ? fail('turns its inputs') : ELEMENT_RULES.MatMul!(op);
};

/** Skips, biases and weights apply to the last axis. */
const skipNormalization: Rule = (op) => {
  const x = rowsFirst(op, 3);
  op.inputs.slice(2).forEach((value) => requireFixed(value, 'weights'));
  if (op.outputCount > 1) fail('gives more than its answer');
  return broadcast([x, op.input(1)]);
};

export const ML_RULES: Record<string, Rule> = {
  ArrayFeatureExtractor: arrayFeatureExtractor,
  Binarizer: unary,
  CategoryMapper: unary,
  FeatureVectorizer: featureVectorizer,
  Imputer: perColumn,
  LabelEncoder: unary,
  LinearClassifier: classifier,
  LinearRegressor: regressor,
  Normalizer: normalizer,
  OneHotEncoder: oneHotEncoder,
  SVMClassifier: classifier,
  SVMRegressor: regressor,
  Scaler: perColumn,
  TreeEnsemble: regressor,
  TreeEnsembleClassifier: classifier,
  TreeEnsembleRegressor: regressor,
};

/** Standard operators for texts. */
export const TEXT_RULES: Record<string, Rule> = {
  StringNormalizer: stringNormalizer,
  TfIdfVectorizer: tfIdfVectorizer,
};

/**
 * Operators of com.microsoft that onnxruntime-node runs on a CPU, and their rule for rows. Null: the operator is
 * allowed, but requests of the model are never joined. Each was tested in the process that checks models. Any other
 * operator of that domain is refused.
 */
export const MICROSOFT_RULES: Record<string, Rule | null> = {
  BiasGelu: (op) => broadcast(op.present),
  CDist: cdist,
  DynamicQuantizeMatMul: null,
  FastGelu: (op) => broadcast(op.present),
  FusedMatMul: fusedMatMul,
  Gelu: unary,
  MurmurHash3: unary,
  QuickGelu: unary,
  SkipLayerNormalization: skipNormalization,
  Tokenizer: tokenizer,
  Unique: null,
};
