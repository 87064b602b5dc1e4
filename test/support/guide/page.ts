import { readFileSync } from 'node:fs';
import { getOperationAST, parse } from 'graphql';
import { expect } from 'vitest';
import { fillIds, rememberIds, stepsOf } from '../../../graphiql/src/steps.js';
import type { Caller } from '../service.js';
import { JobDetailsDocument } from '../../generated/operations.js';

const SOME_ITEMS = 5;
const PATIENCE_MS = 60_000;
const UPLOAD = /--data-binary @(\S+)[\s\S]*\/uploads\?fileName=([^'\s]+)/;

/**
 * Does what a page tells its reader: uploads files, runs each document with the variables below it, and fills in ids
 * from the answers.
 */
export async function followPage(caller: Caller, markdown: string): Promise<unknown> {
  const ids = new Map<string, string>();
  let last: unknown = null;
  for (const { language, text, variables } of stepsOf(markdown)) {
    const upload = language === 'bash' && UPLOAD.exec(text);
    if (upload) ids.set('upload', (await caller.upload(upload[2]!, readFileSync(upload[1]!))).uploadId);
    if (language !== 'graphql') continue;
    last = await ask(caller, text, variables === '' ? {} : filled(variables, ids));
    rememberIds(ids, last);
    if (ids.has('job')) await jobEnd(caller, ids.get('job')!);
  }
  return last;
}

function filled(json: string, ids: Map<string, string>): Record<string, unknown> {
  const text = fillIds(json, ids);
  const missing = /<id of the [^>]+>/.exec(text);
  if (missing) throw new Error(`No answer before this has the ${missing[0]}.`);
  return JSON.parse(text) as Record<string, unknown>;
}

async function ask(caller: Caller, document: string, variables: Record<string, unknown>): Promise<unknown> {
  if (getOperationAST(parse(document))?.operation === 'subscription') {
    return caller.collect(document, variables, (items) => items.length >= SOME_ITEMS);
  }
  for (const deadline = Date.now() + PATIENCE_MS; ;) {
    const { data, errors } = await caller.send<unknown>(document, variables);
    // A reader would retry: the endpoint's model is still being loaded.
    const isEarly = errors?.[0]?.extensions.code === 'UNAVAILABLE' && Date.now() < deadline;
    if (!isEarly) {
      expect(errors, JSON.stringify(errors)).toBeUndefined();
      return data;
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

async function jobEnd(caller: Caller, id: string): Promise<void> {
  for (const deadline = Date.now() + PATIENCE_MS; Date.now() < deadline;) {
    const { job } = await caller.ok(JobDetailsDocument, { id });
    if (job.status === 'SUCCEEDED') return;
    expect(['QUEUED', 'RUNNING'], String(job.errorMessage)).toContain(job.status);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`Job ${id} did not end.`);
}
