import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Signature } from '../domain/serving/tensor.js';
import { HostLost, HostProcess } from './onnx/host-process.js';
import type { HostReply } from './onnx/wire.js';
import { type TrialRun, withMissingTried } from './missing-trial.js';
import { inspectOnnxFile, invalidModel, type OnnxFileFacts, type OnnxFileLimits } from './onnx-file.js';

export interface ModelCheckLimits extends OnnxFileLimits {
  maxSizeBytes: number;
  /** For loading the model and running it for one row and for two. */
  timeoutMs: number;
  /** Resident memory of the process that tries the model. */
  maxResidentBytes: number;
}

export interface CheckedModel extends OnnxFileFacts {
  signature: Signature;
  sizeBytes: number;
}

const MEBIBYTE = 1024 ** 2;

const DEFAULT_LIMITS: ModelCheckLimits = {
  maxSizeBytes: 512 * MEBIBYTE,
  timeoutMs: 10_000,
  maxResidentBytes: 1024 * MEBIBYTE,
  maxGraphDepth: 16,
  maxNodes: 200_000,
};

async function readWhole(path: string, maxSizeBytes: number): Promise<Buffer> {
  await using file = await open(path, 'r');
  const { size } = await file.stat();
  if (size > maxSizeBytes) {
    throw invalidModel(`The file has ${size} bytes; at most ${maxSizeBytes} are accepted.`, {
      expected: `at most ${maxSizeBytes} bytes`,
      got: `${size} bytes`,
    });
  }
  return await file.readFile();
}

function lossMessage(loss: HostLost, limits: ModelCheckLimits): string {
  switch (loss.reason) {
    case 'TIMEOUT':
      return `The model did not load and answer for zeros within ${limits.timeoutMs} ms; it may loop without end. Make it smaller or repair its loops.`;
    case 'MEMORY':
      return `The model needs more than ${limits.maxResidentBytes} bytes of memory to load and answer for zeros; make it smaller.`;
    case 'CRASH':
    case 'CLOSED':
      return `The model made the runtime end when it was tried (${loss.message}); export it again.`;
  }
}

function refusalMessage(header: HostReply, limits: ModelCheckLimits, folder: string): string {
  if (header.kind !== 'error') return `The runtime answered with "${header.kind}".`;
  if (header.code === 'RESOURCE_EXHAUSTED') {
    return `The model needs more than ${limits.maxResidentBytes} bytes of memory to load and answer for zeros; make it smaller.`;
  }
  const detail = header.message.replaceAll(`${folder}/`, '').replace(/\s+/g, ' ').slice(0, 500);
  return `The runtime refused the model when it was loaded and run on zeros: ${detail}`;
}

/** Runs in the trying process until one of them has ended it; then the rest is refused too. */
function trialRun(host: HostProcess, timeoutMs: number): TrialRun {
  return async (inputs) => {
    try {
      const parts = inputs.map(({ data, ...tensor }) => ({ ...tensor, parts: [data] }));
      const { header, tensors } = await host.request({ kind: 'run', modelId: 'model' }, parts, timeoutMs);
      return header.kind === 'result' ? tensors : null;
    } catch (error) {
      if (error instanceof HostLost) return null;
      throw error;
    }
  };
}

/** In a process with an empty environment and an own empty folder, bounded in time, memory and files. */
async function tryModel(bytes: Buffer, limits: ModelCheckLimits): Promise<Signature> {
  const folder = await mkdtemp(join(tmpdir(), 'matih-check-'));
  const path = join(folder, 'model.onnx');
  const startedAt = performance.now();
  let host: HostProcess | undefined;
  try {
    await writeFile(path, bytes);
    host = new HostProcess({
      cwd: folder,
      hardened: true,
      startTimeoutMs: limits.timeoutMs,
      maxResidentBytes: limits.maxResidentBytes,
      maxLoadedModels: 1,
      maxLoadedBytes: limits.maxResidentBytes,
      maxFrameBytes: MEBIBYTE,
    });
    await host.ready;
    const leftMs = Math.max(1, limits.timeoutMs - (performance.now() - startedAt));
    const { header } = await host.request({ kind: 'load', modelId: 'model', path }, [], leftMs);
    if (header.kind !== 'loaded') throw invalidModel(refusalMessage(header, limits, folder));
    return await withMissingTried(header.signature, trialRun(host, Math.max(1, limits.timeoutMs - (performance.now() - startedAt))));
  } catch (error) {
    throw error instanceof HostLost ? invalidModel(lossMessage(error, limits)) : error;
  } finally {
    host?.kill();
    await host?.exited;
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * Checks an uploaded ONNX file, which may be hostile: first its bytes, then by loading it and running it on zeros in a process of its own.
 * Errors: INVALID_MODEL with a sentence that says what is wrong and what to do.
 */
export async function checkModel(path: string, limits: Partial<ModelCheckLimits> = {}): Promise<CheckedModel> {
  const all = { ...DEFAULT_LIMITS, ...limits };
  const bytes = await readWhole(path, all.maxSizeBytes);
  const facts = inspectOnnxFile(bytes, all);
  return { ...facts, sizeBytes: bytes.length, signature: await tryModel(bytes, all) };
}
