import { readdirSync, readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { processTree } from '../../src/child-task/process-facts.js';

/** Processes of a program of the service, e.g. `training/local-child.js`, that `parentPid` started. */
export function childPids(program: string, parentPid = process.pid): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => parentOf(pid) === parentPid && commandLine(pid).includes(program));
}

/**
 * Stops (SIGSTOP) the first such process as soon as it exists; returns its id. `except`: processes that were there
 * before and may go on for a while, which are not meant.
 */
export async function stopChild(
  program: string,
  { parentPid, except = [] }: { parentPid?: number; except?: readonly number[] } = {},
): Promise<number> {
  let pid: number | undefined;
  await expect
    .poll(() => (pid = childPids(program, parentPid).find((one) => !except.includes(one))), {
      timeout: 15_000,
      interval: 5,
    })
    .toBeDefined();
  process.kill(pid!, 'SIGSTOP');
  return pid!;
}

/** Sends a signal to a process and all its descendants. */
export function signalTree(pid: number, signal: NodeJS.Signals): void {
  for (const one of processTree(pid)) process.kill(one, signal);
}

export function isAlive(pid: number): boolean {
  return !['', 'Z'].includes(fields(pid)[0] ?? '');
}

const parentOf = (pid: number): number => Number(fields(pid)[1]);
const commandLine = (pid: number): string => read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ');
const fields = (pid: number): string[] => (read(`/proc/${pid}/stat`).split(') ').at(-1) ?? '').split(' ');

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
