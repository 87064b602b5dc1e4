import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const TIMEOUT_MS = 10_000;
const COLUMNS = 'index,uuid,name,memory.total,mig.mode.current';

/** What nvidia-smi prints about the GPUs of this machine: a table, and a list with the parts of GPUs in MIG mode. */
export async function askNvidiaSmi(): Promise<{ table: string; list: string }> {
  const nvidiaSmi = async (...args: string[]) =>
    (await promisify(execFile)('nvidia-smi', args, { timeout: TIMEOUT_MS, encoding: 'utf8' })).stdout;
  try {
    const table = await nvidiaSmi(`--query-gpu=${COLUMNS}`, '--format=csv,noheader,nounits');
    return { table, list: await nvidiaSmi('-L') };
  } catch {
    // No such command, no driver, or no device: each is a machine without GPUs.
    return { table: '', list: '' };
  }
}
