import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, freemem, totalmem } from 'node:os';

/** Linux counts process time in hundredths of a second, whatever the kernel's own tick. */
const TICKS_PER_SECOND = 100;

interface Counters {
  atMs: number;
  busyMs: number;
  totalMs: number;
  /** Of the process; null where the system does not say. */
  processCpuMs: number | null;
}

/** Looks at the machine and at one process of it; each look tells of the time since the one before. */
export class SystemUsage {
  private last: Counters;

  constructor(private readonly pid: number) {
    this.last = countersOf(pid);
  }

  /**
   * Named as MLflow's client names what it logs of a machine; what is of the training's process alone has names of its
   * own.
   */
  look(): Record<string, number> {
    const now = countersOf(this.pid);
    const { last } = this;
    this.last = now;
    const used = totalmem() - freeBytes();
    const residentBytes = residentOf(this.pid);
    const usage: Record<string, number> = {
      'system/cpu_utilization_percentage': percentage(now.busyMs - last.busyMs, now.totalMs - last.totalMs),
      'system/system_memory_usage_megabytes': rounded(used / 1e6),
      'system/system_memory_usage_percentage': percentage(used, totalmem()),
    };
    if (residentBytes !== null) usage['system/process_memory_usage_megabytes'] = rounded(residentBytes / 1e6);
    if (now.processCpuMs !== null && last.processCpuMs !== null) {
      const possibleMs = (now.atMs - last.atMs) * availableParallelism();
      usage['system/process_cpu_utilization_percentage'] = percentage(now.processCpuMs - last.processCpuMs, possibleMs);
    }
    return usage;
  }
}

function countersOf(pid: number): Counters {
  const times = cpus().map((cpu) => cpu.times);
  const sum = (of: (time: (typeof times)[number]) => number) => times.reduce((total, time) => total + of(time), 0);
  const totalMs = sum(({ user, nice, sys, idle, irq }) => user + nice + sys + idle + irq);
  return {
    atMs: performance.now(),
    totalMs,
    busyMs: totalMs - sum(({ idle }) => idle),
    processCpuMs: processCpuOf(pid),
  };
}

/** What programs could have: unlike `freemem`, with the caches that the system would give up. */
function freeBytes(): number {
  const available = /^MemAvailable:\s+(\d+) kB$/m.exec(readIfThere('/proc/meminfo') ?? '')?.[1];
  return available === undefined ? freemem() : Number(available) * 1024;
}

function residentOf(pid: number): number | null {
  const resident = /^VmRSS:\s+(\d+) kB$/m.exec(readIfThere(`/proc/${pid}/status`) ?? '')?.[1];
  return resident === undefined ? null : Number(resident) * 1024;
}

function processCpuOf(pid: number): number | null {
  // The name in parentheses may hold spaces; the figures begin behind it.
  const fields = readIfThere(`/proc/${pid}/stat`)?.split(') ').at(-1)?.split(' ');
  return fields ? ((Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND) * 1000 : null;
}

function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

const rounded = (value: number) => Math.round(value * 10) / 10;
const percentage = (part: number, whole: number) =>
  whole > 0 ? rounded(Math.min(100, Math.max(0, (part / whole) * 100))) : 0;
