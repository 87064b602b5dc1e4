import { constants, copyFile, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { withOwnClasses, type Signature } from '../../modules/model-contract/index.js';
import { ChildLost, explainLoss } from '../../child-task/child-task.js';
import { AppError, ErrorCode } from '../../errors.js';
import { HostProcess } from './host-process.js';
import type { HostReply } from './wire.js';
import { type TrialRun, withMissingTried } from './missing-trial.js';
import type { OnnxFileFacts, OnnxFileLimits } from './onnx-file.js';

export interface ModelCheckLimits extends OnnxFileLimits {
  maxSizeBytes: number;
  /** Processor time to read, load and try a small model; a larger one gets `cpuMsPerMebibyte` more for each MiB. */
  cpuMs: number;
  cpuMsPerMebibyte: number;
  /**
   * The least time limit by the clock, for a model that waits for ever; eight times the processor time when that is
   * more.
   */
  wallMs: number;
  /** Resident memory of the process that tries the model. */
  maxResidentBytes: number;
}

export interface CheckedModel extends OnnxFileFacts {
  signature: Signature;
  sizeBytes: number;
}

const MEBIBYTE = 1024 ** 2;
const WALL_FACTOR = 8;
/** Limit of the facts and the signature of one model. */
const MAX_FRAME_BYTES = 16 * MEBIBYTE;

const DEFAULT_LIMITS: ModelCheckLimits = {
  maxSizeBytes: 512 * MEBIBYTE,
  cpuMs: 10_000,
  cpuMsPerMebibyte: 500,
  wallMs: 120_000,
  maxResidentBytes: 1024 * MEBIBYTE,
  maxGraphDepth: 16,
  maxNodes: 200_000,
};

function invalidModel(message: string, details: { expected?: string; got?: string } = {}): AppError {
  return new AppError(ErrorCode.INVALID_MODEL, message, { field: 'model', ...details });
}

async function sizeOf(path: string, maxSizeBytes: number): Promise<number> {
  const { size } = await stat(path);
  if (size <= maxSizeBytes) return size;
  throw invalidModel(`The file has ${size} bytes; at most ${maxSizeBytes} are accepted.`, {
    expected: `at most ${maxSizeBytes} bytes`,
    got: `${size} bytes`,
  });
}

/** The error for the loss of the process that tries the model. */
function lossMeaning(loss: ChildLost, cpuMs: number, wallMs: number, limits: ModelCheckLimits): unknown {
  // The model did not cause these.
  if (['START', 'SILENCE', 'CLOSED'].includes(loss.reason)) return explainLoss(loss, 'model check');
  return invalidModel(lossMessage(loss, cpuMs, wallMs, limits));
}

function lossMessage({ reason, how }: ChildLost, cpuMs: number, wallMs: number, limits: ModelCheckLimits): string {
  switch (reason) {
    case 'CPU':
      return (
        `The model was not read, loaded and run on zeros within ${cpuMs} ms of processor time; it may loop ` +
        'without end. Make it smaller or repair its loops.'
      );
    case 'TIME':
      return (
        `The model was not read, loaded and run on zeros within ${wallMs} ms; it may wait without end. Make ` +
        'it smaller, or try again when this machine is less busy.'
      );
    case 'MEMORY':
      return (
        `The model needs more than ${limits.maxResidentBytes} bytes of memory to load and answer for zeros; ` +
        'make it smaller.'
      );
    default:
      return `The model made the runtime end when it was tried (${how}); export it again.`;
  }
}

function refusal(header: HostReply, limits: ModelCheckLimits, folder: string): AppError {
  if (header.kind !== 'error') return invalidModel(`The runtime answered with "${header.kind}".`);
  if (header.code === 'RESOURCE_EXHAUSTED') {
    return invalidModel(
      `The model needs more than ${limits.maxResidentBytes} bytes of memory to load and answer for zeros; ` +
        'make it smaller.',
    );
  }
  const detail = header.message.replaceAll(`${folder}/`, '').replace(/\s+/g, ' ').slice(0, 500);
  return invalidModel(`The runtime refused the model when it was loaded and run on zeros: ${detail}`);
}

/** Runs trials in the process until one has ended it; the others are then refused. */
function trialRun(host: HostProcess, leftMs: () => number): TrialRun {
  return async (inputs) => {
    try {
      const parts = inputs.map(({ data, ...tensor }) => ({ ...tensor, parts: [data] }));
      const { header, tensors } = await host.request({ kind: 'run', modelId: 'model' }, parts, leftMs());
      return header.kind === 'result' ? tensors : null;
    } catch (error) {
      if (error instanceof ChildLost) return null;
      throw error;
    }
  };
}

/**
 * Runs in a process with an empty environment and its own empty folder; processor time, memory and files are limited.
 */
async function inspectAndTry(original: string, sizeBytes: number, limits: ModelCheckLimits): Promise<CheckedModel> {
  const folder = await mkdtemp(join(tmpdir(), 'matih-check-'));
  const path = join(folder, 'model.onnx');
  const cpuMs = Math.floor(limits.cpuMs + (limits.cpuMsPerMebibyte * sizeBytes) / MEBIBYTE);
  const wallMs = Math.max(limits.wallMs, WALL_FACTOR * cpuMs);
  const endsAt = performance.now() + wallMs;
  const leftMs = (): number => Math.max(1, endsAt - performance.now());
  let host: HostProcess | undefined;
  try {
    // A copy, because the folder must not contain anything else that a model could read.
    await copyFile(original, path, constants.COPYFILE_FICLONE);
    host = new HostProcess({
      cwd: folder,
      hardened: true,
      startTimeoutMs: leftMs(),
      maxResidentBytes: limits.maxResidentBytes,
      maxCpuMs: cpuMs,
      maxLoadedModels: 1,
      maxLoadedBytes: limits.maxResidentBytes,
      maxFrameBytes: MAX_FRAME_BYTES,
    });
    await host.ready;
    const { maxGraphDepth, maxNodes } = limits;
    const inspected = await host.request({ kind: 'inspect', path, limits: { maxGraphDepth, maxNodes } }, [], leftMs());
    if (inspected.header.kind === 'error' && inspected.header.code === 'INVALID_MODEL') {
      const { message, expected, got } = inspected.header;
      throw invalidModel(message.replaceAll(`${folder}/`, ''), { expected, got });
    }
    if (inspected.header.kind !== 'inspected') throw refusal(inspected.header, limits, folder);
    const { header } = await host.request(
      { kind: 'load', modelId: 'model', path, threads: 1, device: 'CPU' },
      [],
      leftMs(),
    );
    if (header.kind !== 'loaded') throw refusal(header, limits, folder);
    const tried = await withMissingTried(header.signature, trialRun(host, leftMs));
    return { ...inspected.header.facts, sizeBytes, signature: withOwnClasses(tried, inspected.header.classes) };
  } catch (error) {
    throw error instanceof ChildLost ? lossMeaning(error, cpuMs, wallMs, limits) : error;
  } finally {
    host?.kill();
    await host?.exited;
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * Checks an uploaded ONNX file, which may be hostile. A child process reads its bytes, loads it and runs it on
 * generated rows. Errors: INVALID_MODEL with a sentence that says what is wrong and what to do.
 */
export async function checkModel(path: string, limits: Partial<ModelCheckLimits> = {}): Promise<CheckedModel> {
  const all = { ...DEFAULT_LIMITS, ...limits };
  return await inspectAndTry(path, await sizeOf(path, all.maxSizeBytes), all);
}
