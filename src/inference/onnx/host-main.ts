/**
 * Entry point of an inference host: a process that loads models and runs them, one request at a time, and may be killed
 * at any moment.
 */
import { once } from 'node:events';
import { readFileSync, statSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { serveParent } from '../../child-task/serve-parent.js';
import { InvalidFile, inspectOnnxFile, type OnnxFileLimits } from './onnx-file.js';
import { readClassLabels } from './format/class-labels.js';
import type { HostSettings } from './host-limits.js';
import { HostModel, UnusableModel } from './host-model.js';
import {
  type Frame,
  HOST_WIRE,
  type HostErrorCode,
  type HostReply,
  type HostRequest,
  type Outgoing,
  type OutgoingTensor,
} from './wire.js';

const OUT_OF_MEMORY =
  /bad_alloc|failed to allocate|out of memory|allocation failed|invalid array length|array buffer allocation/i;

/** Set by the first request. */
let settings: HostSettings;
const models = new Map<string, { model: HostModel; bytes: number }>();

class HostError extends Error {
  constructor(
    readonly code: HostErrorCode,
    message: string,
  ) {
    super(message);
  }
}

function toReply(kind: HostRequest['kind'], error: unknown): HostReply {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof InvalidFile) return { kind: 'error', code: 'INVALID_MODEL', message, ...error.details };
  if (error instanceof HostError) return { kind: 'error', code: error.code, message };
  if (OUT_OF_MEMORY.test(message)) return { kind: 'error', code: 'RESOURCE_EXHAUSTED', message };
  return {
    kind: 'error',
    code: error instanceof UnusableModel || kind === 'load' || kind === 'inspect' ? 'INVALID_MODEL' : 'INVALID_TENSOR',
    message,
  };
}

/** Unloads the least recently used models, but not `kept`, until so many bytes and models more have room. */
async function makeRoom(neededBytes: number, neededModels: number, kept?: string): Promise<string[]> {
  const evicted: string[] = [];
  let held = [...models.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  for (const [modelId, { model, bytes }] of models) {
    const { maxLoadedModels, maxLoadedBytes } = settings;
    if (models.size + neededModels <= maxLoadedModels && held + neededBytes <= maxLoadedBytes) break;
    if (modelId === kept) continue;
    models.delete(modelId);
    await model.close();
    held -= bytes;
    evicted.push(modelId);
  }
  return evicted;
}

function inspect(bytes: Uint8Array, limits: OnnxFileLimits): HostReply {
  return { kind: 'inspected', facts: inspectOnnxFile(bytes, limits), classes: readClassLabels(bytes) };
}

async function load({ modelId, path, ...options }: HostRequest & { kind: 'load' }): Promise<HostReply> {
  let entry = models.get(modelId);
  const evicted: string[] = [];
  if (!entry) {
    const fileBytes = statSync(path).size;
    // Before any other model makes room for it.
    requireRoom(fileBytes);
    evicted.push(...(await makeRoom(fileBytes, 1)));
    const before = process.memoryUsage.rss();
    const model = await HostModel.open(path, options);
    const bytes = Math.max(fileBytes, process.memoryUsage.rss() - before);
    entry = { model, bytes };
    models.set(modelId, entry);
    // A loaded model takes more than its file.
    evicted.push(...(await makeRoom(0, 0, modelId)));
    if (bytes > settings.maxLoadedBytes) {
      models.delete(modelId);
      await model.close();
      requireRoom(bytes);
    }
  }
  const { signature, batchable, slowestRunMs } = entry.model;
  return { kind: 'loaded', signature, batchable, slowestRunMs, evicted };
}

function requireRoom(bytes: number): void {
  const { maxLoadedBytes } = settings;
  if (bytes > maxLoadedBytes)
    throw new HostError(
      'TOO_LARGE',
      `The model takes ${bytes} bytes, and the models of an inference process may take ${maxLoadedBytes} together: ` +
        'serve it on a server of its own (the query runtimes lists them).',
    );
}

async function run(modelId: string, frame: Frame<HostRequest>): Promise<OutgoingTensor[]> {
  const entry = models.get(modelId);
  if (!entry) throw new HostError('NOT_FOUND', 'the model is not loaded in this host');
  // The order of the map is the order of use: the first model is unloaded first.
  models.delete(modelId);
  models.set(modelId, entry);
  const outputs = await entry.model.run(frame.tensors);
  const bytes = outputs.reduce((sum, { data }) => sum + (Array.isArray(data) ? data.length : data.byteLength), 0);
  if (bytes > settings.maxFrameBytes / 2)
    throw new HostError('RESOURCE_EXHAUSTED', `the outputs take ${bytes} bytes, more than may be returned at once`);
  return outputs.map(({ name, datatype, shape, data }) => ({ name, datatype, shape, parts: [data] }));
}

/** Returns when the watchdog runs. */
async function start(chosen: HostSettings): Promise<void> {
  settings = chosen;
  const watchdog = new Worker(new URL('./host-watchdog.js', import.meta.url), {
    workerData: settings,
    resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 4, stackSizeMb: 1 },
  });
  await once(watchdog, 'online');
}

async function handle(frame: Frame<HostRequest>): Promise<Outgoing<HostReply>> {
  const { header } = frame;
  if (header.kind === 'start') {
    await start(header.settings);
    return { header: { kind: 'done' }, tensors: [] };
  }
  let outputs: OutgoingTensor[] = [];
  let reply: HostReply;
  try {
    switch (header.kind) {
      case 'inspect':
        reply = inspect(readFileSync(header.path), header.limits);
        break;
      case 'load':
        reply = await load(header);
        break;
      case 'unload':
        await models.get(header.modelId)?.model.close();
        models.delete(header.modelId);
        reply = { kind: 'done' };
        break;
      case 'run':
        outputs = await run(header.modelId, frame);
        reply = { kind: 'result' };
        break;
    }
  } catch (error) {
    reply = toReply(header.kind, error);
  }
  return { header: reply, tensors: outputs };
}

// Signals to the whole process group are for the service: it drains, then ends its hosts.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);

serveParent<Frame<HostRequest>, never, Outgoing<HostReply>>(handle, HOST_WIRE);
