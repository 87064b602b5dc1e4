import { fork } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import {
  type AskOptions,
  askOnce,
  type ChildOptions,
  type ChildProgram,
  ChildTask,
  explainLoss,
} from '../../src/child-task/child-task.js';
import type { ProcessLimits } from '../../src/child-task/limited-process.js';

interface Deed {
  deed: string;
  [argument: string]: unknown;
}
interface Report {
  number: number;
}

const PROGRAM: ChildProgram<Deed, Report, unknown> = {
  name: 'test',
  entry: '../test/fixtures/child-task/child.mjs',
  report: z.strictObject({ number: z.number() }),
  result: z.union([z.string(), z.number(), z.array(z.string()), z.instanceof(Float64Array), z.instanceof(Map)]),
};
const MEBIBYTE = 1024 ** 2;
/** Longer than a start takes on a busy machine. */
const SILENCE_MS = 5_000;

const options = (limits: Partial<ProcessLimits> = {}, more: Partial<ChildOptions> = {}): ChildOptions => ({
  limits: { silenceMs: SILENCE_MS, ...limits },
  ...more,
});

const once = (deed: Deed, limits: Partial<ProcessLimits> = {}, ask: AskOptions<Report> = {}) =>
  askOnce(PROGRAM, options(limits), deed, ask);

/** True for processes that have ended, and for zombies. */
const isGone = (pid: number): boolean => {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.startsWith('Z');
  } catch {
    return true;
  }
};

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'matih-child-task-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

describe('a child process', () => {
  it('answers one request after the other, with typed arrays and maps', async () => {
    const task = new ChildTask(PROGRAM, options());
    const values = [Float64Array.of(1, Number.NaN), new Map([['a', [1]]]), 'x'.repeat(20 * MEBIBYTE)];
    for (const value of values) expect(await task.ask({ deed: 'echo', value })).toEqual(value);
    const both = Promise.allSettled([task.ask({ deed: 'echo', value: 1 }), task.ask({ deed: 'echo', value: 2 })]);
    expect(await both).toMatchObject([
      { status: 'fulfilled', value: 1 },
      { status: 'rejected', reason: { message: expect.stringContaining('one thing at a time') } },
    ]);
    task.kill();
    await task.closed;
    expect(task.isAlive).toBe(false);
    await expect(task.ask({ deed: 'echo', value: 1 })).rejects.toMatchObject({ reason: 'CLOSED' });
  });

  it('gets no environment variables of the service', async () => {
    expect(process.env['PATH']).toBeDefined();
    // The shell that sets the limits has the folder in its command line.
    expect(await once({ deed: 'environment' })).toEqual(['PWD']);
  });

  it('passes errors on with their code and field, and a bug as INTERNAL with its stack as the cause', async () => {
    const refused = {
      code: 'BAD_USER_INPUT',
      message: 'rows: expected at least 1, got 0.',
      details: { field: 'rows' },
    };
    await expect(once({ deed: 'refuse' })).rejects.toMatchObject(refused);
    await expect(once({ deed: 'fail' })).rejects.toMatchObject({
      code: 'INTERNAL',
      message: 'The test failed.',
      cause: expect.stringContaining('TypeError: a bug'),
    });
    await expect(once({ deed: 'no space' })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('The disk is full'),
    });
  });

  it('reports in order, waits for slow receivers, and ends with the error of its receiver', async () => {
    const seen: number[] = [];
    const slowly = async ({ number }: Report) => {
      await sleep(number % 3);
      seen.push(number);
    };
    expect(await once({ deed: 'report', count: 20 }, {}, { onReport: slowly })).toBe(20);
    expect(await once({ deed: 'tell', count: 20 }, {}, { onReport: slowly })).toBe(20);
    expect(seen).toEqual([...Array(20).keys(), ...Array(20).keys()]);
    const onReport = () => Promise.reject(new Error('the database is away'));
    await expect(once({ deed: 'report', count: 3 }, {}, { onReport })).rejects.toThrow('the database is away');
  });

  it.each<[string, Deed, Partial<ProcessLimits>, object]>([
    ['exits', { deed: 'exit', code: 3 }, {}, { reason: 'EXIT', how: 'exit code 3' }],
    ['exits as if all were well', { deed: 'exit', code: 0 }, {}, { reason: 'EXIT', how: 'exit code 0' }],
    ['crashes', { deed: 'abort' }, {}, { reason: 'SIGNAL', how: 'signal SIGABRT' }],
    ['grows beyond its memory', { deed: 'grow' }, { residentBytes: 300 * MEBIBYTE }, { reason: 'MEMORY' }],
    ['spins beyond its processor time', { deed: 'spin' }, { cpuMs: 1_000 }, { reason: 'CPU' }],
    ['ends itself at a limit that it watches', { deed: 'end for its memory' }, {}, { reason: 'MEMORY' }],
    ['floods its standard error', { deed: 'complain' }, {}, { reason: 'OUTPUT' }],
    ['stops', { deed: 'stop' }, { silenceMs: 1_000 }, { reason: 'SILENCE' }],
    ['waits for ever, its loop too', { deed: 'block' }, { silenceMs: 1_000 }, { reason: 'SILENCE' }],
    ['reports what it may not', { deed: 'report wrongly' }, {}, { reason: 'PROTOCOL' }],
    ['answers what it may not', { deed: 'echo', value: { a: 1 } }, {}, { reason: 'PROTOCOL' }],
    ['sends bytes that are no message', { deed: 'send bytes', bytes: Buffer.alloc(64, 7) }, {}, { reason: 'PROTOCOL' }],
    [
      'announces a message of 4 GB',
      { deed: 'send bytes', bytes: Buffer.from('4954414dffffffff', 'hex') },
      {},
      { reason: 'PROTOCOL' },
    ],
  ])('that %s is reported', async (_, deed, limits, expected) => {
    await expect(once(deed, limits)).rejects.toMatchObject({ name: 'ChildLost', ...expected });
  });

  it('that fills its heap, or asks for too much memory at once, gets none', async () => {
    const small = askOnce(PROGRAM, options({}, { maxHeapMib: 32 }), { deed: 'fill the heap' }, {});
    await expect(small).rejects.toMatchObject({ reason: 'MEMORY' });
    const limits = { dataBytes: 1.5 * 1024 ** 3 };
    await expect(once({ deed: 'allocate at once', bytes: 2 ** 31 }, limits)).rejects.toThrow();
    expect(await once({ deed: 'allocate at once', bytes: 2 ** 20 }, limits)).toBe('allocated');
  });

  it('writes no larger file than it may', async () => {
    const path = join(folder(), 'file');
    const limits = { fileBytes: MEBIBYTE };
    await expect(once({ deed: 'write a file', path, bytes: 2 * MEBIBYTE }, limits)).rejects.toMatchObject({
      code: 'INTERNAL',
      cause: expect.stringContaining('EFBIG'),
    });
    expect(await once({ deed: 'write a file', path, bytes: MEBIBYTE }, limits)).toBe('written');
  });

  it('is ended after its time limit, even when its event loop still turns', async () => {
    const begun = performance.now();
    await expect(once({ deed: 'wait' }, {}, { timeLimitMs: 500 })).rejects.toMatchObject({ reason: 'TIME' });
    expect(performance.now() - begun).toBeLessThan(5_000);
  });

  it('that stands still when its time is up has not used it', async () => {
    const stopped = once({ deed: 'stop' }, { silenceMs: 60_000 }, { timeLimitMs: 3_000 });
    await expect(stopped).rejects.toMatchObject({ reason: 'SILENCE' });
  });

  it('runs under a wrapper, with options of Node.js, and sends no larger message than it may', async () => {
    const more = { wrapper: ['env', 'WRAPPED=1'], nodeOptions: ['--no-warnings'], maxMessageBytes: MEBIBYTE };
    expect(await askOnce(PROGRAM, options({}, more), { deed: 'environment' }, {})).toContain('WRAPPED');
    const large = askOnce(PROGRAM, options({}, more), { deed: 'echo', value: 'x'.repeat(2 * MEBIBYTE) }, {});
    await expect(large).rejects.toMatchObject({ reason: 'PROTOCOL' });
  });

  it('that stays in the group of its parent is ended all the same', async () => {
    const task = new ChildTask(PROGRAM, options({}, { staysInGroup: true }));
    expect(await task.ask({ deed: 'echo', value: 1 })).toBe(1);
    await expect(task.ask({ deed: 'spin' }, { timeLimitMs: 500 })).rejects.toMatchObject({ reason: 'TIME' });
    await task.closed;
    expect(isGone(task.pid!)).toBe(true);
  });

  it('lives while it works or waits, however long it says nothing', async () => {
    const limits = { silenceMs: 1_000 };
    expect(await once({ deed: 'spin', ms: 3_000 }, limits)).toBe('spun');
    await expect(once({ deed: 'wait' }, limits, { timeLimitMs: 4_000 })).rejects.toMatchObject({ reason: 'TIME' });
    // The receiver is slow, which is not the fault of the child.
    const onReport = () => sleep(3_000);
    expect(await once({ deed: 'report', count: 1 }, limits, { onReport })).toBe(1);
  });

  it('is cancelled with the reason of the caller, with all processes that it started', async () => {
    const cancelling = new AbortController();
    let started = 0;
    const answer = once(
      { deed: 'start another' },
      {},
      {
        signal: cancelling.signal,
        onReport: ({ number }) => {
          started = number;
          cancelling.abort(new Error('no longer wanted'));
        },
      },
    );
    await expect(answer).rejects.toThrow('no longer wanted');
    expect(started).toBeGreaterThan(0);
    await expect.poll(() => isGone(started), { timeout: 5_000 }).toBe(true);
    await expect(once({ deed: 'echo', value: 1 }, {}, { signal: cancelling.signal })).rejects.toThrow(
      'no longer wanted',
    );
  });

  it.each(['wait', 'spin', 'stop', 'start another'])(
    'ends with a parent that is killed with -9, even when it %s',
    async (deed) => {
      const script = join(folder(), 'parent.mjs');
      const module = new URL('../../dist/child-task/child-task.js', import.meta.url).href;
      writeFileSync(
        script,
        `import { ChildTask } from ${JSON.stringify(module)};
         const anything = { safeParse: (data) => ({ success: true, data }) };
         const program = { ...${JSON.stringify(PROGRAM)}, report: anything, result: anything };
         const task = new ChildTask(program, { limits: { silenceMs: 600_000 } });
         task.ask({ deed: 'echo', value: 1 }).then(() => {
           task.ask({ deed: ${JSON.stringify(deed)} });
           setTimeout(() => process.send(task.pid), 300);
         });`,
      );
      const parent = fork(script, [], { execArgv: [] });
      const pid = await new Promise<number>((resolve) => parent.once('message', (found) => resolve(Number(found))));
      expect(isGone(pid)).toBe(false);
      parent.kill('SIGKILL');
      await expect.poll(() => isGone(pid), { timeout: 5_000 }).toBe(true);
    },
  );

  it('runs beside many others, each with its own answer', async () => {
    const answers = await Promise.all(
      Array.from({ length: 24 }, (_, value) => once({ deed: 'echo', value }, { silenceMs: 30_000 })),
    );
    expect(answers).toEqual([...answers.keys()]);
  });

  it('that sends 200,000 messages does not use up the memory of the service', async () => {
    const before = process.memoryUsage.rss();
    let heard = 0;
    const onReport = () => void heard++;
    expect(await once({ deed: 'tell', count: 200_000 }, { silenceMs: 60_000 }, { onReport })).toBe(200_000);
    expect(heard).toBe(200_000);
    const grownMiB = (process.memoryUsage.rss() - before) / MEBIBYTE;
    console.log(`200,000 messages: ${grownMiB.toFixed(0)} MiB more`);
    expect(grownMiB).toBeLessThan(300);
  });

  it('that was lost is explained to users in one sentence', async () => {
    const explained = await once({ deed: 'exit', code: 3 }).catch((error: unknown) => explainLoss(error, 'test'));
    expect(explained).toMatchObject({
      code: 'UNAVAILABLE',
      message: 'The test process ended by exit code 3.',
      details: { got: 'exit code 3' },
    });
    const other = new Error('another');
    expect(explainLoss(other, 'test')).toBe(other);
  });
});
