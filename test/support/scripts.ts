import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { SearchRunLogsDocument } from '../../schema/generated/operations.js';
import { storedZip } from '../../src/training/ray/python-package.js';
import { ScriptJobDocument, type ScriptJobQuery, StartScriptDetailsDocument } from '../generated/operations.js';
import type { Caller } from './service.js';

/** Sandboxes of scripts need it, and it is not everywhere. */
export const hasBubblewrap =
  spawnSync('bwrap', ['--unshare-all', '--ro-bind', '/', '/', 'true'], { stdio: 'ignore' }).status === 0;

export const zipOf = (files: Record<string, string>): Buffer =>
  Buffer.from(storedZip(Object.entries(files).map(([name, text]) => ({ name, content: Buffer.from(text) }))));

export interface ScriptCall {
  experimentId: string;
  files: Record<string, string>;
  command: string;
  [more: string]: unknown;
}

export async function startScript(tess: Caller, { files, ...input }: ScriptCall) {
  const { uploadId } = await tess.upload('code.zip', zipOf(files));
  const { startScript: started } = await tess.ok(StartScriptDetailsDocument, { input: { ...input, uploadId } });
  return { jobId: started.job.id, runId: started.run.id };
}

export type EndedScript = ScriptJobQuery['job'];

export async function scriptEnd(tess: Caller, id: string, status: string, waitMs = 60_000): Promise<EndedScript> {
  const { job } = await tess.ok(ScriptJobDocument, { id, waitMs });
  expect(job, JSON.stringify(job)).toMatchObject({ status });
  return job;
}

export async function linesOf(tess: Caller, runId: string): Promise<string[]> {
  const { run } = await tess.ok(SearchRunLogsDocument, { runId, last: 100 });
  return run.logs.nodes.map(({ line }) => line);
}

/** The ids of running processes whose command line has this text. */
export function processesWith(text: string): string[] {
  return readdirSync('/proc').filter((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      return readFileSync(`/proc/${name}/cmdline`, 'utf8').includes(text);
    } catch {
      // It has just ended.
      return false;
    }
  });
}
