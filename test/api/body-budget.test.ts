import { describe, expect, it } from 'vitest';
import { ByteBudget } from '../../src/server/body-budget.js';

describe('a budget of bytes', () => {
  const budget = (waitMs = 60_000) => new ByteBudget({ bytes: 100, waitMs, waiting: 3 });

  it('is shared, and who waits goes on by size when there is room', async () => {
    const shared = budget();
    const first = await shared.take(60);
    const second = await shared.take(40);
    const order: string[] = [];
    const wait = async (name: string, bytes: number) => {
      const release = await shared.take(bytes);
      order.push(name);
      return release;
    };
    const waiting = [wait('large', 90), wait('small', 20), wait('middle', 50)];
    second?.();
    await expect.poll(() => order).toEqual(['small']);
    first?.();
    await expect.poll(() => order).toEqual(['small', 'middle']);
    (await waiting[1])?.();
    (await waiting[2])?.();
    await expect.poll(() => order).toEqual(['small', 'middle', 'large']);
  });

  it('refuses who has waited too long, and who comes when too many wait', async () => {
    const brief = budget(30);
    const release = await brief.take(100);
    const waiting = [1, 2, 3].map(() => brief.take(10));
    expect(await brief.take(10)).toBeNull();
    expect(await Promise.all(waiting)).toEqual([null, null, null]);
    release?.();
    expect(await brief.take(100)).not.toBeNull();
  });

  it('lets alone what is larger than all of it', async () => {
    const shared = budget(30);
    const release = await shared.take(500);
    expect(await shared.take(1)).toBeNull();
    release?.();
    expect(await shared.take(1)).not.toBeNull();
    expect(await shared.take(500)).toBeNull();
  });
});
