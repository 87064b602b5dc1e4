import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, expect, it, vi } from 'vitest';
import { FolderObjectStore } from '../../src/adapters/object-store/folder-object-store.js';
import type { AppError } from '../../src/errors.js';
import { HostPools } from '../../src/inference/onnx/host-pools.js';
import { OnnxEngine } from '../../src/inference/onnx/onnx-engine.js';
import { LoadedModels } from '../../src/modules/serving/loaded-models.js';
import { servedId } from '../../src/modules/serving/rules/scaling.js';
import { hangsAbove1000, linear } from '../fixtures/models/build.js';
import { xToY } from '../support/serving.js';

const HOUR_MS = 3_600_000;

afterEach(() => void vi.useRealTimers());

it('unloads no model with a running call, and one of its own processes only when nothing deploys it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'matih-models-'));
  const objects = new FolderObjectStore(folder);
  const pools = new HostPools({ hosts: 1 });
  const models = new LoadedModels(pools, objects, pino({ level: 'silent' }), (id) => Promise.resolve(id));
  try {
    await objects.prepare();
    const { sha256 } = await objects.put('loop', Buffer.from(hangsAbove1000()));
    const version = { id: 'loop', objectKey: 'loop', sha256, signature: xToY(1), modelId: 'loop', version: 1 };
    const scaling = { threads: 2 };
    await models.load(version);
    await models.load(version, scaling);
    const x = [{ name: 'x', datatype: 'FP32' as const, shape: [1, 1], data: Float32Array.of(5_000) }];
    const running = models.infer(version, x, { deadlineMs: 1_500 }).catch(({ code }: AppError) => code);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + HOUR_MS });
    await models.unloadIdle(new Set([servedId('loop', scaling)]));
    expect([models.isLoaded('loop'), models.isLoaded('loop', scaling)]).toEqual([true, true]);
    expect(await running).toBe('DEADLINE_EXCEEDED');
    await models.unloadIdle(new Set());
    expect([models.isLoaded('loop'), models.isLoaded('loop', scaling)]).toEqual([false, false]);
  } finally {
    await models.close();
    await rm(folder, { recursive: true });
  }
});

it('releases the files of all idle models, also of one that the runtime fails to unload', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'matih-models-'));
  const objects = new FolderObjectStore(folder);
  const engine = new OnnxEngine();
  const models = new LoadedModels(engine, objects, pino({ level: 'silent' }), (id) => Promise.resolve(id));
  try {
    await objects.prepare();
    let held = 0;
    const localFile = objects.localFile.bind(objects);
    objects.localFile = async (key) => {
      const { path } = await localFile(key);
      held++;
      return { path, [Symbol.dispose]: () => void held-- };
    };
    for (const id of ['first', 'second']) {
      const { sha256 } = await objects.put(id, Buffer.from(linear([id.length], 0)));
      await models.load({ id, objectKey: id, sha256, signature: xToY(1), modelId: id, version: 1 });
    }
    expect(held).toBe(2);
    const unload = engine.unload.bind(engine);
    engine.unload = async (modelId) => {
      if (modelId === 'first') throw new Error('no answer');
      await unload(modelId);
    };
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + HOUR_MS });
    await models.unloadIdle(new Set());
    expect(held).toBe(0);
    expect(['first', 'second'].map((id) => models.isLoaded(id))).toEqual([false, false]);
  } finally {
    await models.close();
    await rm(folder, { recursive: true });
  }
});
