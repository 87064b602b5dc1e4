import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { engine } from '../engines.js';

const TIMEOUT_MS = 100_000;

/**
 * Runs one of the scripts beside this file, in its own folder, and returns the JSON of its last line. `program` is
 * another Python than that of MLflow.
 */
export async function runPython<T>(
  script: string | URL,
  settings: Record<string, string>,
  { timeoutMs = TIMEOUT_MS, program }: { timeoutMs?: number; program?: string } = {},
): Promise<T> {
  const cwd = await mkdtemp(join(tmpdir(), 'matih-mlflow-'));
  try {
    const child = spawn(program ?? engine('MATIH_PYTHON'), [fileURLToPath(new URL(script, import.meta.url))], {
      cwd,
      timeout: timeoutMs,
      env: {
        PATH: process.env['PATH'],
        HOME: cwd,
        // A server that answers 5xx is noticed at once.
        MLFLOW_HTTP_REQUEST_MAX_RETRIES: '0',
        GIT_PYTHON_REFRESH: 'quiet',
        ...settings,
      },
    });
    let [out, err] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    const [code] = (await once(child, 'close')) as [number | null];
    if (code !== 0) throw new Error(`${script} ended with ${code}:\n${err.slice(-6_000)}`);
    return JSON.parse(out.trim().split('\n').at(-1) ?? '') as T;
  } finally {
    await rm(cwd, { recursive: true, force: true });
  }
}
