import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, expect, it, vi } from 'vitest';
import { FolderObjectStore } from '../../src/adapters/object-store/folder-object-store.js';
import { OnnxEngine } from '../../src/inference/onnx/onnx-engine.js';
import { LoadedModels } from '../../src/modules/serving/loaded-models.js';
import { linear } from '../fixtures/models/build.js';
import { xToY } from '../support/serving.js';

const HOUR_MS = 3_600_000;

afterEach(() => void vi.useRealTimers());

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
    await models.unloadIdle();
    expect(held).toBe(0);
    expect(['first', 'second'].map((id) => models.isLoaded(id))).toEqual([false, false]);
  } finally {
    await models.close();
    await rm(folder, { recursive: true });
  }
});
