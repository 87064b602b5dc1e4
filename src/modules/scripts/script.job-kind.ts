import { z } from 'zod';
import { endUnfinishedRun } from '../experiments/index.js';
import { defineJobKind, GIB, HOUR_MS, SECOND_MS } from '../jobs/index.js';
import { endTokensOfRun } from '../platform/index.js';

export const SCRIPT_PLACES = ['LOCAL', 'RAY'] as const;

/** The job refers to its run and, if it has one, to its dataset. */
export const SCRIPT = defineJobKind({
  kind: 'SCRIPT',
  about: 'Runs code that a person has uploaded.',
  input: z.object({
    command: z.string(),
    /** The file of the run with the code. */
    codePath: z.string(),
    codeKey: z.string(),
    /** Of a job like another one: the code of that one, which the first attempt copies to `codeKey`. */
    copiedFrom: z.string().optional(),
    backend: z.enum(SCRIPT_PLACES),
  }),
  result: z.object({ printedLines: z.int().min(0) }),
  resources: { cores: 1, memoryBytes: 2 * GIB, gpus: 0 },
  maxAtOnce: 8,
  outsideAtOnce: 20,
  isOfRun: true,
  retry: { attempts: 3, backoffMs: 5 * SECOND_MS },
  timeoutMs: 24 * HOUR_MS,
  async ended({ em, job, status }) {
    const { id, tenant, runId } = job;
    if (runId == null) return [];
    await endTokensOfRun({ em, tenant }, runId, tokenName(id));
    await endUnfinishedRun({ em, tenant }, runId, status === 'FAILED' ? 'FAILED' : 'KILLED');
    return [{ type: 'run', id: runId }];
  },
});

/** The name of the tokens that attempts of a job give to its script. */
export const tokenName = (jobId: string): string => `script ${jobId}`;
