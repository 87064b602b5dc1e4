import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { z } from 'zod';

const SCRIPT = fileURLToPath(new URL('embedded-owner.mjs', import.meta.url));
const answer = z.union([
  z.object({ url: z.string(), port: z.number() }),
  z.object({ code: z.string().optional(), message: z.string() }),
]);

export interface OwnerOptions {
  port?: number;
  /** Runs it as this user; only root may do that. */
  uid?: number;
}

/** Starts a process that owns an embedded database and waits for its URL, or for its error. */
export async function startOwner(
  dataDir: string,
  { port, uid }: OwnerOptions = {},
): Promise<{ child: ChildProcess; answer: z.infer<typeof answer> }> {
  const args = [SCRIPT, dataDir, ...(port ? [String(port)] : [])];
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
  const line = once(createInterface({ input: child.stdout }), 'line').then(([text]) =>
    answer.parse(JSON.parse(String(text))),
  );
  return { child, answer: await line };
}

export async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  const ended = once(child, 'exit');
  child.kill(signal);
  await ended;
}

/** Runs one statement on a new connection and returns its rows. */
export async function sql(url: string, statement: string): Promise<unknown[]> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(statement)).rows;
  } finally {
    await client.end();
  }
}
