import { availableParallelism, cpus, freemem, totalmem } from 'node:os';
import { processorTicksMs, readIfThere, residentBytes } from '../child-task/process-facts.js';

interface Counters {
  atMs: number;
  busyMs: number;
  totalMs: number;
  /** Processor time of the process; null when the system does not give it. */
  processCpuMs: number | null;
}

/** Measures the machine and one of its processes. Each measurement covers the time since the last one. */
export class SystemUsage {
  private last: Counters;

  constructor(private readonly pid: number) {
    this.last = countersOf(pid);
  }

  /** Uses the names of MLflow's client for the machine; the metrics of the training's process have their own names. */
  look(): Record<string, number> {
    const now = countersOf(this.pid);
    const { last } = this;
    this.last = now;
    const used = totalmem() - freeBytes();
    const resident = residentBytes(this.pid);
    const usage: Record<string, number> = {
      'system/cpu_utilization_percentage': percentage(now.busyMs - last.busyMs, now.totalMs - last.totalMs),
      'system/system_memory_usage_megabytes': rounded(used / 1e6),
      'system/system_memory_usage_percentage': percentage(used, totalmem()),
    };
    if (resident !== null) usage['system/process_memory_usage_megabytes'] = rounded(resident / 1e6);
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
    processCpuMs: processorTicksMs(pid),
  };
}

/** The memory that programs could get: unlike `freemem`, with the caches that the system would release. */
function freeBytes(): number {
  const available = /^MemAvailable:\s+(\d+) kB$/m.exec(readIfThere('/proc/meminfo') ?? '')?.[1];
  return available === undefined ? freemem() : Number(available) * 1024;
}

const rounded = (value: number) => Math.round(value * 10) / 10;
const percentage = (part: number, whole: number) =>
  whole > 0 ? rounded(Math.min(100, Math.max(0, (part / whole) * 100))) : 0;
