import { z } from 'zod';
import { ErrorCode } from '../../errors.js';
import type { Operation } from './operation.js';

/** The body of every error. */
export const restError = z
  .object({
    code: z.enum(ErrorCode).describe('What kind of error it is; each is explained in docs/errors.md.'),
    message: z.string().describe('One sentence that says what is wrong and what to do.'),
    field: z.string().optional().describe('Path of what is wrong, e.g. `rows[3].distance`.'),
    expected: z.string().optional().describe('What would have been accepted.'),
    got: z.string().optional().describe('What came instead, shortened.'),
    requestId: z.string().describe('As in the header x-request-id and in the log of the service.'),
  })
  .meta({ id: 'Error' });

const RETRY_AFTER = {
  'retry-after': { description: 'Seconds to wait before the next try.', schema: { type: 'integer' } },
};

/** Errors by their HTTP status. */
const REFUSALS: Record<string, { description: string; headers?: object }> = {
  400: { description: 'The body does not fit: BAD_USER_INPUT, INVALID_TENSOR.' },
  401: { description: 'No valid token: UNAUTHENTICATED.' },
  403: { description: 'The token’s role or scope is not enough: FORBIDDEN.' },
  404: { description: 'There is no such endpoint in the token’s tenant: NOT_FOUND.' },
  409: { description: 'It does not go with what is there: CONFLICT.' },
  413: { description: 'Too large, or the model needs too much memory: RESOURCE_EXHAUSTED.' },
  429: { description: 'Too many rows wait for the model: RESOURCE_EXHAUSTED.', headers: RETRY_AFTER },
  503: { description: 'Nothing is live, or a part is away for now: UNAVAILABLE.', headers: RETRY_AFTER },
  504: { description: 'The model took too long: DEADLINE_EXCEEDED.' },
};

/** The OpenAPI description of the operations, made from the schemas that check requests and type answers. */
export function openApi(operations: readonly Operation[]): object {
  const schemas: Record<string, unknown> = {};
  const refTo = (schema: z.ZodType, io: 'input' | 'output') => {
    const {
      $schema: _dialect,
      $defs,
      id,
      ...body
    } = z.toJSONSchema(schema, { io, target: 'draft-2020-12' }) as Record<string, unknown>;
    const named = { ...($defs as Record<string, unknown> | undefined), [String(id)]: body };
    for (const [name, definition] of Object.entries(named)) schemas[name] = moved(definition);
    return { $ref: `#/components/schemas/${String(id)}` };
  };
  const json = (schema: object, example?: unknown) => ({
    'application/json': { schema, ...(example !== undefined && { example }) },
  });
  const error = refTo(restError, 'output');
  const paths: Record<string, Record<string, unknown>> = {};
  for (const { id, method, path, summary, description, need, params, body, example, answer } of operations) {
    (paths[`/v1${path}`] ??= {})[method.toLowerCase()] = {
      operationId: id,
      summary,
      description: `${description} Needs ${need === 'ATTEMPT' ? 'the token of the attempt' : `the role ${need.role}`}.`,
      parameters: Object.entries(params).map(([name, about]) => ({
        name,
        in: 'path',
        required: true,
        description: about,
        schema: { type: 'string' },
      })),
      ...(body && { requestBody: { required: true, content: json(refTo(body, 'input'), example) } }),
      responses: {
        200: { description: 'The answer.', content: json(refTo(answer, 'output')) },
        ...Object.fromEntries(
          Object.entries(REFUSALS).map(([status, about]) => [status, { ...about, content: json(error) }]),
        ),
      },
    };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'MATIH ML Service',
      version: '1',
      description: 'For clients that have only HTTP. Everything else is GraphQL, at /graphql.',
    },
    security: [{ bearer: [] }],
    paths,
    components: { schemas, securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } },
  };
}

/** OpenAPI has the definitions of a JSON schema in another place. */
function moved(definition: unknown): unknown {
  return JSON.parse(JSON.stringify(definition).replaceAll('#/$defs/', '#/components/schemas/'));
}
