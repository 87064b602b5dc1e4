import { z } from 'zod';
import { Role } from '../../../modules/core/index.js';
import {
  type RowPrediction,
  ROWS_PER_REQUEST,
  RUNTIME_NAMES,
  type Prediction,
  jsonElements,
  predictedRows,
} from '../../../modules/serving/index.js';
import { DATATYPES } from '../../../modules/model-contract/index.js';
import { operation } from '../operation.js';

/** The names of the Open Inference Protocol. */
const tensor = <Element extends z.ZodType>(data: Element) =>
  z.strictObject({
    name: z.string().describe('Name of the input or output, as in the model’s signature.'),
    datatype: z.enum(DATATYPES).describe('Element type.'),
    shape: z
      .array(z.int())
      .describe(`Length of each dimension; the first is the number of rows, at most ${ROWS_PER_REQUEST.max}.`),
    data: z.array(data).describe('As many elements as the product of `shape`, flat, in row-major order.'),
  });

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null && !Array.isArray(value);

const predictBody = z
  .strictObject({
    rows: z
      // Not a record, because Zod would leave out a column named __proto__. The service checks the rows.
      .array(
        z
          .unknown()
          .refine(isObject, 'an object')
          .transform((row) => row as Record<string, unknown>)
          .meta({ type: 'object', additionalProperties: true }),
      )
      .nullish()
      .describe(
        `1 to ${ROWS_PER_REQUEST.max} objects with a value per input of the model: a number; a category as ` +
          'the training file spells it (a JSON number or boolean stands for the only category that is equal to ' +
          'it); null for a missing value where the model takes it; ISO 8601 text or epoch milliseconds for ' +
          'timestamps; a flat list for inputs of several elements per row.',
      ),
    tensors: z
      .array(tensor(z.unknown()))
      .nullish()
      .describe('Instead of rows: one tensor per input of the model, all with the same number of rows.'),
    routingKey: z
      .string()
      .nullish()
      .describe(
        'Requests of one key are answered by the same version as long as the traffic weights stay; 1 to 250 ' +
          'characters.',
      ),
    attributes: z
      .array(z.strictObject({ name: z.string(), value: z.string() }))
      .nullish()
      .describe(
        'What the rules of the endpoint’s traffic policy look at, e.g. {"name": "country", "value": "DE"}: 1 to ' +
          '50. Headers of the request are known as `header.<name>`.',
      ),
    deadlineMs: z.number().nullish().describe('Longest that it may take, in milliseconds, from 1.'),
    requestId: z
      .string()
      .nullish()
      .describe(
        'Your id of the request, 1 to 250 characters, by which it is read back and labelled later; made up ' +
          'when absent. Used once at an endpoint: CONFLICT when it was answered before.',
      ),
  })
  .meta({ id: 'PredictRequest' });

const rowPrediction = z
  .object({
    label: z.string().nullable().describe('Predicted class, or number of the cluster; null for regressions.'),
    value: z
      .number()
      .nullable()
      .describe('Predicted value, or distance to the cluster’s centre; null where it is not finite.'),
    probabilities: z
      .array(z.number())
      .nullable()
      .describe('Probability of each class in the model’s order, 0 to 1; null where one is not finite.'),
    scores: z
      .array(z.number())
      .nullable()
      .describe('Decision values of a classifier without probabilities, one per class or one in all; null otherwise.'),
    probabilityByClass: z
      .array(z.object({ label: z.string(), probability: z.number() }))
      .nullable()
      .describe('The same with the names of the classes; null when the signature does not say them.'),
  })
  .meta({ id: 'RowPrediction' }) satisfies z.ZodType<RowPrediction>;

const unknownCategory = z
  .object({
    row: z.int().describe('Position of the row in the request, from 0.'),
    column: z.string().describe('Name of the column.'),
    value: z.string().describe('The category as the model received it, its first 200 characters.'),
  })
  .meta({ id: 'UnknownCategory' });

const memberAnswer = z
  .object({
    name: z.string().describe('Model and number of the member.'),
    runtime: z.enum(RUNTIME_NAMES).describe('Where the member runs.'),
    answered: z.boolean().describe('Whether the answer of the ensemble contains that of the member.'),
    error: z.string().nullable().describe('Why it does not, as a sentence.'),
    weight: z.number().nullable().describe('Weight in this answer; null when it failed, and with a meta-learner.'),
    latencyMs: z.number().describe('Until the member answered or failed, in milliseconds.'),
  })
  .meta({ id: 'MemberAnswer' });

const predictAnswer = z
  .object({
    requestId: z.string().describe('Id of the request: given by the caller, or generated.'),
    rows: z.int().describe('Number of predicted rows.'),
    latencyMs: z
      .number()
      .describe('From the arrival of the checked request to the answer of the model, in milliseconds.'),
    batchRows: z
      .int()
      .describe('Number of rows in the batch of this request, together with the rows of other requests.'),
    modelVersion: z.object({ id: z.string(), version: z.int() }).describe('Version that computed the outputs.'),
    deployment: z.object({ id: z.string() }).describe('Which of the live deployments answered.'),
    predictions: z
      .array(rowPrediction)
      .describe('Predictions row by row; empty unless the outputs are a classification, a regression or a clustering.'),
    unknownCategories: z
      .array(unknownCategory)
      .describe(
        'Categories that the model never saw in its training: the first 100. Empty for a model whose ' +
          'categories nobody recorded.',
      ),
    unknownCategoryCount: z
      .int()
      .describe('Number of values with an unknown category, including those beyond the list.'),
    members: z
      .array(memberAnswer)
      .describe('What each member of an ensemble did, when it is deployed on FAN_OUT; empty otherwise.'),
    outputs: z
      .array(tensor(z.union([z.number(), z.string(), z.boolean()])))
      .describe('Every output of the model; NaN and infinities are the texts "NaN", "Infinity" and "-Infinity".'),
  })
  // REST returns everything that GraphQL returns.
  .meta({ id: 'PredictAnswer' }) satisfies z.ZodType<Omit<Prediction, 'target' | 'outputs'>>;

export const predictOperation = operation({
  id: 'predict',
  method: 'POST',
  path: '/endpoints/{name}/predict',
  summary: 'Predicts for rows at an endpoint.',
  description:
    'The same as the mutation `predict` of GraphQL: same checks, limits and log. VIEWER may call endpoints ' +
    'whose live versions are all in PRODUCTION.',
  need: { what: 'Predicting', role: Role.VIEWER, scopes: ['PREDICT'] },
  params: { name: 'Name of the endpoint.' },
  body: predictBody,
  example: { rows: [{ distance: 400, origin: 'LAX' }] },
  answer: predictAnswer,
  handle: async ({ principal, requestId, headers, services }, { name }, body) => {
    const prediction = await services.predictions.predict(
      principal,
      { ...body, endpointName: name },
      requestId,
      headers,
    );
    const { target, outputs, ...plain } = prediction;
    return {
      ...plain,
      modelVersion: { id: target.version.id, version: target.version.version },
      deployment: { id: target.deployment.id },
      predictions: predictedRows(prediction),
      outputs: outputs.map((output) => ({ ...output, data: jsonElements(output) })),
    };
  },
});
