/**
 * A thread beside the host's main one, which a run blocks: it ends the process when the service is gone
 * or when resident memory passes the limit.
 */
import { writeSync } from 'node:fs';
import { workerData } from 'node:worker_threads';
import { MEMORY_MARK } from './host-limits.js';

const CHECK_EVERY_MS = 50;
const STDERR = 2;

const { parentPid, maxResidentBytes } = workerData as { parentPid: number; maxResidentBytes: number };

setInterval(() => {
  if (process.ppid !== parentPid) process.kill(process.pid, 'SIGKILL');
  const residentBytes = process.memoryUsage.rss();
  if (residentBytes > maxResidentBytes) {
    writeSync(STDERR, `${MEMORY_MARK} ${residentBytes} of ${maxResidentBytes} bytes\n`);
    process.kill(process.pid, 'SIGKILL');
  }
}, CHECK_EVERY_MS);
