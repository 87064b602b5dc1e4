import { Client } from 'pg';
import { CreateRunDocument, type CreateRunInput } from '../../schema/generated/operations.js';
import type { Caller, TestService } from './service.js';
import type { TypedDocument } from '../../schema/typed-document.js';
import { createExperiment } from './training.js';

/** Sends a mutation with one input; returns its payload. */
export async function mutate<Payload, Input>(
  caller: Caller,
  document: TypedDocument<Record<string, Payload>, { input: Input }>,
  input: Input,
): Promise<Payload> {
  const [payload] = Object.values(await caller.ok(document, { input }));
  return payload!;
}

/** The error of a mutation that must fail; its input may have wrong types. */
export function refused(caller: Caller, document: TypedDocument<object, never>, input: object) {
  return caller.fails(document, { input });
}

/** Rows of the database, of all tenants. */
export async function query<T extends object>(
  service: TestService,
  text: string,
  values: unknown[] = [],
): Promise<T[]> {
  const client = new Client({ connectionString: service.database.url });
  await client.connect();
  try {
    return (await client.query<T>(text, values)).rows;
  } finally {
    await client.end();
  }
}

export async function createRun(caller: Caller, input: Partial<CreateRunInput> = {}): Promise<string> {
  const experimentId = input.experimentId ?? (await createExperiment(caller));
  const { createRun: created } = await caller.ok(CreateRunDocument, { input: { ...input, experimentId } });
  return created.run.id;
}
