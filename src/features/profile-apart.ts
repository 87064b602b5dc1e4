import { fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { DatasetFormat, DatasetProfile } from '../domain/tracking/dataset-schema.js';
import { AppError, badInput, ErrorCode } from '../errors.js';
import type { ProfileAnswer, ProfileRequest } from './profile-child.js';

/** New files that are read at once; others wait. */
const PROCESSES = 2;
const LONGEST_MS = 15 * 60_000;

const turns: Promise<unknown>[] = Array.from({ length: PROCESSES }, () => Promise.resolve());
let started = 0;

/**
 * What a new file holds, found out in a process of its own: nobody has read it before, and DuckDB ends its process on some
 * (JSON nested ten thousand deep). Errors: as `profileDataset`, and RESOURCE_EXHAUSTED for a file that takes too long.
 */
export function profileApart(path: string, format: DatasetFormat): Promise<DatasetProfile> {
  const slot = started++ % PROCESSES;
  const profile = turns[slot]!.then(() => perform({ path, format }));
  turns[slot] = profile.catch(() => undefined);
  return profile;
}

/** The compiled child, wherever this module runs from: beside it in dist, or src under a test runner. */
function childEntry(): string {
  const compiled = import.meta.url.endsWith('.ts') ? '../../dist/features/profile-child.js' : './profile-child.js';
  const entry = fileURLToPath(new URL(compiled, import.meta.url));
  if (!existsSync(entry)) throw new AppError(ErrorCode.INTERNAL, 'The dataset process is not built: run `npm run build`.');
  return entry;
}

function perform(request: ProfileRequest): Promise<DatasetProfile> {
  const child = fork(childEntry(), [], {
    serialization: 'advanced',
    cwd: tmpdir(),
    env: {},
    execArgv: [],
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), LONGEST_MS);
  return new Promise<DatasetProfile>((resolve, reject) => {
    let answer: ProfileAnswer | undefined;
    child.on('message', (message: ProfileAnswer) => {
      answer = message;
    });
    child.on('error', (error) => reject(new AppError(ErrorCode.UNAVAILABLE, 'The dataset process could not run.', {}, { cause: error })));
    child.on('close', (exitCode, killedBy) => {
      clearTimeout(timer);
      if (answer && 'profile' in answer) resolve(answer.profile);
      else if (answer && 'code' in answer) reject(new AppError(answer.code, answer.message, answer.details));
      else if (answer) reject(new Error(answer.unexpected));
      else if (killedBy === 'SIGKILL')
        reject(new AppError(ErrorCode.RESOURCE_EXHAUSTED, 'Reading this file takes too much time or memory.', { field: 'file' }));
      else reject(badInput('file', 'a file that can be read', `one that ended its reader (${killedBy ?? `exit code ${exitCode}`})`));
    });
    child.send(request);
  });
}
