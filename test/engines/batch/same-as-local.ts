import { expect, it } from 'vitest';
import { NONE_DIFFERS } from '../../support/batch-keys.js';
import { registerDataset } from '../../support/training.js';
import type { BatchWorld } from './backend.js';

/** What every backend of batch inference does as the local one. The world exists when its tests run. */
export function itDoesAsLocal(world: () => BatchWorld): void {
  it('gives the same rows, columns and unknown categories as a local one', async () => {
    const input = { ...(await world().airports()), keyColumns: ['origin', 'delay'] };
    const { difference, unknown, names } = await world().difference(input);
    console.log(
      `${world().backend}: ${names.join(', ')}; largest difference ${difference}; ${unknown} rows with unknown categories`,
    );
    expect(names.slice(0, 3)).toEqual(['row_number', 'origin', 'delay']);
    expect(unknown).toBeGreaterThan(0);
    expect(difference).toBeLessThanOrEqual(1e-6);
  }, 400_000);

  it('brings keys and 64-bit integers back as they were', async () => {
    expect(await world().differingRows()).toEqual(NONE_DIFFERS);
  }, 400_000);

  it('refuses a value as a local one does', async () => {
    const { uploadId } = await world().tess.upload('holes.csv', Buffer.from('delay,distance\n1,2\n3,\n'));
    const datasetId = await registerDataset(world().tess, { name: 'holes', uploadId });
    const input = { modelVersionId: world().slowVersion, datasetId };
    const here = await world().ended(await world().start(input), 'FAILED');
    const there = await world().ended(await world().start({ ...input, backend: world().backend }), 'FAILED');
    expect(here.errorMessage).toContain('row 2');
    expect([there.errorCode, there.errorMessage]).toEqual([here.errorCode, here.errorMessage]);
  }, 400_000);
}
