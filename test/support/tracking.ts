import { Client } from 'pg';
import type { Caller, TestService } from './service.js';
import { createExperiment } from './training.js';

/** A mutation with one input; answers its payload. */
export async function mutate<T>(caller: Caller, name: string, input: object, selection: string): Promise<T> {
  const inputType = `${name[0]!.toUpperCase()}${name.slice(1)}Input`;
  const answer = await caller.ok<Record<string, T>>(
    `mutation ($input: ${inputType}!) { ${name}(input: $input) { ${selection} } }`,
    {
      input,
    },
  );
  return answer[name]!;
}

/** The error of a mutation that must fail. */
export function refused(caller: Caller, name: string, input: object) {
  const inputType = `${name[0]!.toUpperCase()}${name.slice(1)}Input`;
  return caller.fails(`mutation ($input: ${inputType}!) { ${name}(input: $input) { __typename } }`, { input });
}

/** Rows as the database has them, whatever the tenant. */
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

export async function createRun(
  caller: Caller,
  input: { experimentId?: string; [field: string]: unknown } = {},
): Promise<string> {
  const experimentId = input.experimentId ?? (await createExperiment(caller));
  return (await mutate<{ run: { id: string } }>(caller, 'createRun', { ...input, experimentId }, 'run { id }')).run.id;
}
