import { readdirSync, readFileSync } from 'node:fs';

/** Linux counts process time in hundredths of a second, whatever the kernel's tick is. */
const TICK_MS = 10;
const NANOSECONDS_PER_MS = 1e6;

export interface ProcessorTime {
  ms: number;
  /** True when it is in nanoseconds, so that even a short activity is visible; otherwise in steps of 10 ms. */
  isExact: boolean;
}

/** Processor time of all threads of a process since its start; null when the system does not give it. */
export function processorTime(pid: number): ProcessorTime | null {
  try {
    const threads = readdirSync(`/proc/${pid}/task`);
    const ns = threads.reduce((sum, thread) => sum + nanosecondsOf(pid, thread), 0);
    return { ms: ns / NANOSECONDS_PER_MS, isExact: true };
  } catch {
    const ms = processorTicksMs(pid);
    return ms === null ? null : { ms, isExact: false };
  }
}

function nanosecondsOf(pid: number, thread: string): number {
  const text = readIfThere(`/proc/${pid}/task/${thread}/schedstat`);
  // A thread may have ended since the folder was read. On a system without these figures, even the first thread has
  // none.
  if (text === null && thread === String(pid)) throw new Error('This system has no figures of its scheduler.');
  return Number(text?.split(' ')[0] ?? 0);
}

/** Processor time of a process in milliseconds, in steps of 10; null when the system does not give it. */
export function processorTicksMs(pid: number): number | null {
  const fields = statOf(pid);
  return fields ? (Number(fields[11]) + Number(fields[12])) * TICK_MS : null;
}

/** Resident memory of a process in bytes; null when the system does not give it. */
export function residentBytes(pid: number): number | null {
  const resident = /^VmRSS:\s+(\d+) kB$/m.exec(readIfThere(`/proc/${pid}/status`) ?? '')?.[1];
  return resident === undefined ? null : Number(resident) * 1024;
}

/** A process and all its descendants. */
export function processTree(pid: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of listIfThere('/proc')) {
    const parent = /^\d+$/.test(name) ? Number(statOf(Number(name))?.[1]) : Number.NaN;
    if (Number.isNaN(parent)) continue;
    const siblings = children.get(parent);
    if (siblings) siblings.push(Number(name));
    else children.set(parent, [Number(name)]);
  }
  const tree = [pid];
  for (const at of tree) tree.push(...(children.get(at) ?? []));
  return tree;
}

/** The name of a process's program, at most 15 characters; null when the system does not give it. */
export function processName(pid: number): string | null {
  return readIfThere(`/proc/${pid}/comm`)?.trimEnd() ?? null;
}

/** The fields of /proc/<pid>/stat from the state on: the name before them may contain spaces and parentheses. */
function statOf(pid: number): string[] | undefined {
  return readIfThere(`/proc/${pid}/stat`)?.split(') ').at(-1)?.split(' ');
}

export function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

function listIfThere(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
