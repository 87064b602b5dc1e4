import { describe, expect, it } from 'vitest';
import { GpuPool, readGpus, visibleGpus } from '../../src/modules/jobs/rules/gpus.js';

const uuid = (n: number) => `GPU-${`${n}`.padStart(8, '0')}-d33d-2b2c-524d-9e3d8d2b8a77`;
const EIGHT = Array.from({ length: 8 }, (_, n) => `${n}, ${uuid(n)}, NVIDIA H200, 143771, Disabled`).join('\n');

describe('what nvidia-smi prints', () => {
  it('without a GPU is no device', () => {
    expect(readGpus({ table: 'No devices were found\n', list: '' })).toEqual([]);
    const failed =
      "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest " +
      'NVIDIA driver is installed and running.\n';
    expect(readGpus({ table: failed, list: failed })).toEqual([]);
    expect(readGpus({ table: '', list: '' })).toEqual([]);
  });

  it('with one GPU, also one that knows no MIG, is one device', () => {
    const id = 'GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77';
    const list = `GPU 0: Tesla T4 (UUID: ${id})\n`;
    expect(readGpus({ table: `0, ${id}, Tesla T4, 15360, [N/A]\n`, list })).toEqual([{ id, name: 'Tesla T4' }]);
  });

  it('with eight GPUs are eight devices', () => {
    const list = Array.from({ length: 8 }, (_, n) => `GPU ${n}: NVIDIA H200 (UUID: ${uuid(n)})`).join('\n');
    expect(readGpus({ table: EIGHT, list }).map(({ id }) => id)).toEqual(Array.from({ length: 8 }, (_, n) => uuid(n)));
  });

  it('with MIG are the parts of a GPU, and the whole other one', () => {
    const table = [
      `0, ${uuid(0)}, NVIDIA A100-SXM4-40GB, 40960, Enabled`,
      `1, ${uuid(1)}, NVIDIA A100-SXM4-40GB, 40960, Disabled`,
      `2, ${uuid(2)}, NVIDIA A100-SXM4-40GB, 40960, Enabled`,
    ].join('\r\n');
    const list = [
      `GPU 0: NVIDIA A100-SXM4-40GB (UUID: ${uuid(0)})`,
      '  MIG 3g.20gb     Device  0: (UUID: MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f)',
      '  MIG 1g.5gb+me   Device  1: (UUID: MIG-c6de8a2d-f8ce-513d-a0f9-0e2e5d3a1d8a)',
      `GPU 1: NVIDIA A100-SXM4-40GB (UUID: ${uuid(1)})`,
      `GPU 2: NVIDIA A100-SXM4-40GB (UUID: ${uuid(2)})`,
    ].join('\n');
    expect(readGpus({ table, list })).toEqual([
      { id: 'MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f', name: 'NVIDIA A100-SXM4-40GB MIG 3g.20gb' },
      { id: 'MIG-c6de8a2d-f8ce-513d-a0f9-0e2e5d3a1d8a', name: 'NVIDIA A100-SXM4-40GB MIG 1g.5gb+me' },
      { id: uuid(1), name: 'NVIDIA A100-SXM4-40GB' },
    ]);
  });
});

describe('the GPUs of a process', () => {
  const gpus = readGpus({ table: EIGHT, list: '' });

  it('are those that CUDA_VISIBLE_DEVICES names, by place or by id', () => {
    expect(visibleGpus(gpus, undefined)).toEqual(gpus);
    expect(visibleGpus(gpus, '')).toEqual([]);
    expect(visibleGpus(gpus, ` 3,${uuid(1)}, 9`).map(({ id }) => id)).toEqual([uuid(3), uuid(1)]);
  });

  it('belong to one job at a time', () => {
    const pool = new GpuPool(gpus.slice(0, 3));
    expect(pool.take('a', 2)).toEqual([uuid(0), uuid(1)]);
    expect(pool.take('b', 1)).toEqual([uuid(2)]);
    pool.release('a');
    expect(pool.take('c', 1)).toEqual([uuid(0)]);
    expect(pool.take('d', 2)).toEqual([uuid(1)]);
  });
});
