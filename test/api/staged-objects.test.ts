import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { startTestService } from '../support/service.js';

describe('files that a crash left', () => {
  it('do not prevent a process from stopping, however many there are', async () => {
    const own = await startTestService();
    const { db, objects, services } = own.app.context;
    await db.asSystem((em) =>
      em.execute(
        `insert into staged_object (tenant, object_key, created_at) select 'acme', 'acme/x/' || n, now() - ` +
          `interval '2 days' from generate_series(1, 300) n`,
      ),
    );
    const remove = objects.delete.bind(objects);
    const begun = Promise.withResolvers<void>();
    objects.delete = async (key) => {
      begun.resolve();
      await pause(20);
      await remove(key);
    };
    const swept = services.staged.sweep();
    await begun.promise;
    await own.close();
    expect(await swept).toBeLessThan(300);
  });

  it('are swept also after those that the store refuses to remove, and these are retried', async () => {
    const own = await startTestService();
    const { db, objects, services } = own.app.context;
    const left = async () => {
      const rows = await db.asSystem((em) =>
        em.execute<{ name: string }[]>(
          'select substr(object_key, 13) as name from staged_object where starts_with(object_key, ' +
            `'acme/locked/') order by 1`,
        ),
      );
      return rows.map(({ name }) => name);
    };
    await db.asSystem((em) =>
      em.execute(
        `insert into staged_object (tenant, object_key, created_at)
         select 'acme', 'acme/locked/' || to_char(n, 'FM00'), now() - interval '3 days' + n * interval '1 minute'
           from generate_series(1, 15) n`,
      ),
    );
    const remove = objects.delete.bind(objects);
    let asked = 0;
    const refuseBelow = (number: number) => {
      asked = 0;
      objects.delete = async (key) => {
        asked++;
        if (Number(key.slice(-2)) < number) throw new Error('held');
        await remove(key);
      };
    };
    try {
      refuseBelow(3);
      await services.staged.sweep();
      expect(await left()).toEqual(['01', '02']);
      // They are due again after an hour, not earlier.
      refuseBelow(0);
      await services.staged.sweep();
      expect(asked).toBe(0);
      await db.asSystem((em) => em.execute(`update staged_object set created_at = created_at - interval '1 hour'`));
      expect(await services.staged.sweep()).toBe(2);
      expect(await left()).toEqual([]);
      // A store that refuses every removal is not asked again for this time.
      await db.asSystem((em) =>
        em.execute(
          `insert into staged_object (tenant, object_key, created_at)
           select 'acme', 'acme/locked/' || to_char(n, 'FM00'), now() - interval '3 days' + n * interval '1 minute'
             from generate_series(1, 15) n`,
        ),
      );
      refuseBelow(99);
      expect(await services.staged.sweep()).toBe(0);
      expect(asked).toBe(10);
      refuseBelow(0);
      expect(await services.staged.sweep()).toBe(5);
    } finally {
      await own.close();
    }
  });
});
