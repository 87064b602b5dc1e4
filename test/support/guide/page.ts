import { readFileSync } from 'node:fs';
import { getOperationAST, parse } from 'graphql';
import { expect } from 'vitest';
import type { Caller } from '../service.js';
import { inWords } from './text.js';

interface Block {
  language: string;
  text: string;
}

const SOME_ITEMS = 5;
const PATIENCE_MS = 60_000;
const UPLOAD = /--data-binary @(\S+)[\s\S]*\/uploads\?fileName=([^'\s]+)/;

/** Does what a page tells its reader: uploads, runs each document with the variables below it, and puts in ids as they come. */
export async function followPage(caller: Caller, markdown: string): Promise<unknown> {
  const ids = new Map<string, string>();
  const blocks = [...markdown.matchAll(/^```(\w+)\n([\s\S]*?)\n```$/gm)].map(([, language = '', text = '']): Block => ({ language, text }));
  let last: unknown = null;
  for (const [i, { language, text }] of blocks.entries()) {
    const upload = language === 'bash' && UPLOAD.exec(text);
    if (upload) ids.set('upload', (await caller.upload(upload[2]!, readFileSync(upload[1]!))).uploadId);
    if (language !== 'graphql') continue;
    const below = blocks[i + 1];
    last = await ask(caller, text, below?.language === 'json' ? fill(below.text, ids) : {});
    remember(ids, last);
    if (ids.has('job')) await jobEnd(caller, ids.get('job')!);
  }
  return last;
}

function fill(json: string, ids: Map<string, string>): Record<string, unknown> {
  return JSON.parse(
    json.replace(/<id of the ([^>]+)>/g, (_, name: string) => {
      const id = ids.get(name);
      if (!id) throw new Error(`No answer before this has an id of the ${name}.`);
      return id;
    }),
  ) as Record<string, unknown>;
}

async function ask(caller: Caller, document: string, variables: Record<string, unknown>): Promise<unknown> {
  if (getOperationAST(parse(document))?.operation === 'subscription') {
    return caller.collect(document, variables, (items) => items.length >= SOME_ITEMS);
  }
  for (const deadline = Date.now() + PATIENCE_MS; ;) {
    const { data, errors } = await caller.send<unknown>(document, variables);
    // What a reader would do: the endpoint's model is still being loaded.
    const isEarly = errors?.[0]?.extensions.code === 'UNAVAILABLE' && Date.now() < deadline;
    if (!isEarly) {
      expect(errors, JSON.stringify(errors)).toBeUndefined();
      return data;
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** Ids by what they are ids of; the last one counts. */
function remember(ids: Map<string, string>, value: unknown, name = ''): void {
  if (value === null || typeof value !== 'object') return;
  for (const [key, item] of Object.entries(value)) {
    if (key === 'id' && typeof item === 'string') ids.set(inWords(name), item);
    else remember(ids, item, key);
  }
}

async function jobEnd(caller: Caller, id: string): Promise<void> {
  for (const deadline = Date.now() + PATIENCE_MS; Date.now() < deadline;) {
    const { job } = await caller.ok<{ job: { status: string; errorMessage: string | null } }>(
      'query ($id: ID!) { job(id: $id) { status errorMessage } }',
      { id },
    );
    if (job.status === 'SUCCEEDED') return;
    expect(['QUEUED', 'RUNNING'], String(job.errorMessage)).toContain(job.status);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`Job ${id} did not end.`);
}
