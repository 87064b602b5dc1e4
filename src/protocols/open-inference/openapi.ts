import { DATATYPES } from '../../modules/model-contract/index.js';
import { JSON_LENGTH_HEADER } from './http-request.js';
import { SERVER } from './metadata.js';

type Schema = Record<string, unknown>;

const text = (description: string): Schema => ({ type: 'string', description });
const object = (properties: Record<string, Schema>, required: string[] = Object.keys(properties)): Schema => ({
  type: 'object',
  properties,
  required,
});
const list = (items: Schema, description?: string): Schema => ({
  type: 'array',
  items,
  ...(description && { description }),
});
const ref = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` });
const json = (schema: Schema) => ({ content: { 'application/json': { schema } } });
const parameters = (description: string): Schema => ({ type: 'object', additionalProperties: true, description });

const tensor = {
  name: text('Name of the input or output, as in the model’s signature.'),
  datatype: { type: 'string', enum: DATATYPES, description: 'Element type.' },
  shape: list({ type: 'integer' }, 'Length of each dimension; the first is the number of rows.'),
};
const ofTensor = (sizes: string): Record<string, Schema> => ({
  ...tensor,
  data: list({}, 'Elements in row-major order, flat or nested; absent for a tensor that comes as bytes.'),
  parameters: parameters(sizes),
});

const SCHEMAS: Record<string, Schema> = {
  Error: object({ error: text('One sentence that says what is wrong and what to do.') }),
  InferRequest: object(
    {
      id: text('Your id of the request, which comes back; 1 to 250 characters.'),
      inputs: list(
        object(ofTensor('`binary_data_size`: number of its bytes behind the JSON.'), ['name', 'datatype', 'shape']),
      ),
      outputs: list(
        object(
          {
            name: tensor.name,
            parameters: parameters(
              '`binary_data`: true for bytes; `classification`: number of best classes to return.',
            ),
          },
          ['name'],
        ),
        'The outputs to return, in this order; all when absent.',
      ),
      parameters: parameters(
        '`timeout` in microseconds, `priority` (1 runs before 2, the default), `routing_key`, `sequence_id`, ' +
          '`binary_data_output`: true for all outputs as bytes.',
      ),
    },
    ['inputs'],
  ),
  InferAnswer: object(
    {
      model_name: text('The endpoint.'),
      model_version: text('The version that answered.'),
      id: text('As in the request; absent when it had none.'),
      outputs: list(
        object(ofTensor('`binary_data_size`: number of its bytes behind the JSON.'), ['name', 'datatype', 'shape']),
      ),
    },
    ['model_name', 'model_version', 'outputs'],
  ),
  Server: object({ name: text('Name.'), version: text('Release.'), extensions: list({ type: 'string' }) }),
  Model: object({
    name: text('The endpoint.'),
    versions: list({ type: 'string' }, 'Versions that are deployed live.'),
    platform: text('Kind of the model.'),
    inputs: list(object(tensor)),
    outputs: list(object(tensor)),
  }),
  Change: object(
    {
      parameters: parameters(
        '`version`: number of a version; or `config`: text with a configuration of Triton whose `version_policy` names some.',
      ),
    },
    [],
  ),
  Index: list(
    object(
      {
        name: text('The endpoint.'),
        version: text('The version.'),
        state: text('READY, LOADING or UNAVAILABLE.'),
        reason: text('Why.'),
      },
      ['name'],
    ),
  ),
  Statistics: object({
    model_stats: list({ type: 'object' }, 'Counts, and times in nanoseconds, of each deployment.'),
  }),
  Any: { type: 'object' },
};

/** Operations: method, path below /v2, what it does, schemas of its body and answer, and whether it needs no token. */
const OPERATIONS: [string, string, string, string | null, string | null, boolean?][] = [
  ['get', '', 'What the server is and which extensions it speaks.', null, 'Server', true],
  ['get', '/health/live', 'Whether the server runs.', null, 'Any', true],
  ['get', '/health/ready', 'Whether the server can answer.', null, 'Any', true],
  ['get', '/models/{model}', 'Inputs, outputs and versions of an endpoint.', null, 'Model'],
  ['get', '/models/{model}/ready', 'Whether an endpoint answers.', null, 'Any'],
  ['get', '/models/{model}/config', 'Its configuration in the form of Triton.', null, 'Any'],
  ['get', '/models/{model}/stats', 'Its statistics.', null, 'Statistics'],
  ['post', '/models/{model}/infer', 'Predicts at an endpoint, by its traffic policy.', 'InferRequest', 'InferAnswer'],
  ['get', '/models/stats', 'The statistics of all endpoints.', null, 'Statistics'],
  ['post', '/repository/index', 'All endpoints with their deployments.', null, 'Index'],
  ['post', '/repository/models/{model}/load', 'Deploys versions and waits until they are loaded.', 'Change', null],
  ['post', '/repository/models/{model}/unload', 'Undeploys versions.', 'Change', null],
];
const MODEL = '/models/{model}';
const BINARY_HEADER = {
  name: JSON_LENGTH_HEADER,
  in: 'header',
  schema: { type: 'integer' },
  description: 'Bytes of the JSON when tensors follow it; 0 for nothing but the bytes of the only input.',
};

/** The OpenAPI description of the protocol over HTTP; each operation of a model also exists for one of its versions. */
export function openInferenceApi(): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const [method, path, summary, body, answer, isOpen] of OPERATIONS) {
    const versioned = path.startsWith(MODEL) ? [path.replace(MODEL, `${MODEL}/versions/{version}`)] : [];
    for (const one of [path, ...versioned]) {
      const names = [...one.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!);
      (paths[`/v2${one}`] ??= {})[method] = {
        summary,
        ...(isOpen && { security: [] }),
        parameters: [
          ...names.map((name) => ({ name, in: 'path', required: true, schema: { type: 'string' } })),
          ...(body === 'InferRequest' ? [BINARY_HEADER] : []),
        ],
        ...(body && { requestBody: { required: body === 'InferRequest', ...json(ref(body)) } }),
        responses: {
          200: { description: 'The answer.', ...(answer && json(ref(answer))) },
          default: { description: 'Any error.', ...json(ref('Error')) },
        },
      };
    }
  }
  return {
    openapi: '3.1.0',
    info: { title: `${SERVER.name}: Open Inference Protocol`, version: SERVER.version },
    security: [{ bearer: [] }],
    paths,
    components: { schemas: SCHEMAS, securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } },
  };
}
