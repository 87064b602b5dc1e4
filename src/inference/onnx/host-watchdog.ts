/**
 * A thread beside the host's main thread, which a run blocks. It ends the process when the service has ended, memory
 * exceeds the limit, or the processor time is used up.
 */
import { writeSync } from 'node:fs';
import { workerData } from 'node:worker_threads';
import { WATCHED_LIMIT } from '../../child-task/limited-process.js';
import type { HostSettings } from './host-limits.js';

const CHECK_EVERY_MS = 50;
const STDERR = 2;

const { parentPid, maxResidentBytes, maxCpuMs } = workerData as HostSettings;

function end(why: string): void {
  writeSync(STDERR, `${why}\n`);
  process.kill(process.pid, 'SIGKILL');
}

setInterval(() => {
  if (process.ppid !== parentPid) process.kill(process.pid, 'SIGKILL');
  const residentBytes = process.memoryUsage.rss();
  if (residentBytes > maxResidentBytes) end(`${WATCHED_LIMIT.memory}: ${residentBytes} of ${maxResidentBytes} bytes`);
  if (maxCpuMs === null) return;
  const { user, system } = process.cpuUsage();
  const usedMs = (user + system) / 1000;
  if (usedMs > maxCpuMs) end(`${WATCHED_LIMIT.cpu}: ${usedMs} of ${maxCpuMs} ms`);
}, CHECK_EVERY_MS);
