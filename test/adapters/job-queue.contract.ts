import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { type JobQueue, NotNow, type QueuedJob } from '../../src/adapters/job-queue/port.js';

export interface Timings {
  lockDuration: number;
  stalledInterval: number;
}

export interface QueueUnderTest {
  name: string;
  engine: 'postgres' | 'redis';
  url(): string;
  /** A connection to the queues, as one process has it. */
  connect(url: string, timings?: Timings): Promise<JobQueue>;
}

const WORKER = fileURLToPath(new URL('../support/queue-worker.mjs', import.meta.url));
const QUICK: Timings = { lockDuration: 1_000, stalledInterval: 500 };

function jobs(count: number): QueuedJob[] {
  return Array.from({ length: count }, () => ({ tenant: 'acme', jobId: randomUUID(), attempt: 1 }));
}

function only<T>(items: T[]): T {
  expect(items).toHaveLength(1);
  return items[0] as T;
}

/** A handler that runs until the test ends it. */
function held() {
  let end: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => (end = resolve));
  return { ended, end: () => end() };
}

/** What every job queue must do. */
export function jobQueueContract({ name, engine, url, connect }: QueueUnderTest): void {
  describe(`job queue: ${name}`, () => {
    const open: JobQueue[] = [];
    const member = async (timings?: Timings) => {
      const queue = await connect(url(), timings);
      open.push(queue);
      return queue;
    };
    const kind = () => `test-${randomUUID()}`;
    afterEach(async () => {
      for (const queue of open.splice(0)) await queue.close();
    });

    it('delivers every job to one of the processes that work on its kind, and to no other kind', async () => {
      const [producer, first, second] = [await member(), await member(), await member()];
      const [mine, others] = [kind(), kind()];
      const delivered: string[] = [];
      const byProcess = [0, 0];
      for (const [i, consumer] of [first, second].entries()) {
        await consumer.consume(mine, 2, async ({ jobId }) => {
          delivered.push(jobId);
          byProcess[i] = (byProcess[i] ?? 0) + 1;
          await sleep(5);
        });
      }
      const sent = jobs(40);
      for (const job of sent) await producer.enqueue(mine, job);
      await producer.enqueue(others, only(jobs(1)));
      await expect.poll(() => delivered.length, { timeout: 10_000 }).toBe(sent.length);
      await sleep(100);
      expect(delivered.toSorted()).toEqual(sent.map(({ jobId }) => jobId).toSorted());
      expect(Math.min(...byProcess)).toBeGreaterThan(0);
    });

    it('keeps jobs until a worker comes, in their order', async () => {
      const mine = kind();
      const sent = jobs(5);
      const producer = await connect(url());
      for (const job of sent) await producer.enqueue(mine, job);
      await producer.close();
      const got: QueuedJob[] = [];
      await (await member()).consume(mine, 1, async (job) => void got.push(job));
      await expect.poll(() => got, { timeout: 5_000 }).toEqual(sent);
    });

    it('delivers the highest priority first, and equal ones in their order', async () => {
      const queue = await member();
      const mine = kind();
      const [low, plain, alsoPlain, high] = jobs(4) as [QueuedJob, QueuedJob, QueuedJob, QueuedJob];
      await queue.enqueue(mine, low, -100);
      await queue.enqueue(mine, plain);
      await queue.enqueue(mine, alsoPlain);
      await queue.enqueue(mine, high, 100);
      const got: QueuedJob[] = [];
      await queue.consume(mine, 1, async (job) => void got.push(job));
      await expect.poll(() => got, { timeout: 5_000 }).toEqual([high, plain, alsoPlain, low]);
    });

    it('takes back a job that its process cannot run now, and a paused process takes none', async () => {
      const [busy, other] = [await member(), await member()];
      const mine = kind();
      const job = only(jobs(1));
      let refusals = 0;
      const consumer = await busy.consume(mine, 2, async () => {
        refusals++;
        consumer.pause();
        throw new NotNow();
      });
      await busy.enqueue(mine, job);
      await expect.poll(() => refusals, { timeout: 5_000 }).toBe(1);
      await sleep(300);
      expect(refusals).toBe(1);
      const got: QueuedJob[] = [];
      const second = await other.consume(mine, 1, async (delivered) => void got.push(delivered));
      await expect.poll(() => got, { timeout: 5_000 }).toEqual([job]);
      second.pause();
      const more = only(jobs(1));
      await other.enqueue(mine, more);
      await sleep(300);
      second.resume();
      await expect.poll(() => got, { timeout: 5_000 }).toEqual([job, more]);
    });

    it('delivers a job once that is enqueued again while it waits or runs, and again after it has ended', async () => {
      const queue = await member();
      const mine = kind();
      const job = only(jobs(1));
      let deliveries = 0;
      let hold = held();
      for (let i = 0; i < 3; i++) await queue.enqueue(mine, job);
      await queue.consume(mine, 4, () => {
        deliveries++;
        return hold.ended;
      });
      await expect.poll(() => deliveries).toBe(1);
      for (let i = 0; i < 3; i++) await queue.enqueue(mine, job);
      await sleep(300);
      expect(deliveries).toBe(1);
      await queue.enqueue(mine, { ...job, attempt: 2 });
      await expect.poll(() => deliveries).toBe(2);
      hold.end();
      hold = held();
      await sleep(200);
      await queue.enqueue(mine, job);
      await expect.poll(() => deliveries).toBe(3);
      hold.end();
    });

    it('runs no more jobs at the same time than allowed', async () => {
      const queue = await member();
      const mine = kind();
      let [running, most, done] = [0, 0, 0];
      await queue.consume(mine, 3, async () => {
        most = Math.max(most, ++running);
        await sleep(30);
        running--;
        done++;
      });
      for (const job of jobs(20)) await queue.enqueue(mine, job);
      await expect.poll(() => done, { timeout: 10_000 }).toBe(20);
      expect(most).toBe(3);
    });

    it('continues after a handler that threw, and forgets that job', async () => {
      const queue = await member();
      const mine = kind();
      const [bad, good] = jobs(2) as [QueuedJob, QueuedJob];
      const got: string[] = [];
      await queue.consume(mine, 1, async ({ jobId }) => {
        got.push(jobId);
        if (jobId === bad.jobId && got.length === 1) throw new Error('poison');
      });
      await queue.enqueue(mine, bad);
      await queue.enqueue(mine, good);
      await expect.poll(() => got, { timeout: 5_000 }).toEqual([bad.jobId, good.jobId]);
      await queue.enqueue(mine, bad);
      await expect.poll(() => got, { timeout: 5_000 }).toEqual([bad.jobId, good.jobId, bad.jobId]);
    });

    it('takes no new job while it closes, waits for the running one, and leaves the rest to others', async () => {
      const [closing, other] = [await connect(url()), await member()];
      const mine = kind();
      const hold = held();
      const got: string[] = [];
      let finished = false;
      await closing.consume(mine, 1, async ({ jobId }) => {
        got.push(jobId);
        await hold.ended;
        finished = true;
      });
      const [running, waiting] = jobs(2) as [QueuedJob, QueuedJob];
      await other.enqueue(mine, running);
      await expect.poll(() => got).toEqual([running.jobId]);
      const closed = closing.close().then(() => expect(finished).toBe(true));
      await other.enqueue(mine, waiting);
      await sleep(300);
      hold.end();
      await closed;
      expect(got).toEqual([running.jobId]);
      await other.consume(mine, 1, async ({ jobId }) => void got.push(jobId));
      await expect.poll(() => got, { timeout: 5_000 }).toEqual([running.jobId, waiting.jobId]);
    });

    it('gives the job of a killed worker to another', async () => {
      const mine = kind();
      const job = only(jobs(1));
      const child = spawn(process.execPath, [WORKER, engine, url(), mine, JSON.stringify(QUICK)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const taken = once(createInterface({ input: child.stdout }), 'line');
      const queue = await member(QUICK);
      await queue.enqueue(mine, job);
      expect(await taken).toEqual([job.jobId]);
      child.kill('SIGKILL');
      const killedAt = performance.now();
      const got: QueuedJob[] = [];
      await queue.consume(mine, 1, async (delivered) => void got.push(delivered));
      await expect.poll(() => got, { timeout: 20_000, interval: 20 }).toEqual([job]);
      console.log(
        `${name}: job of a killed worker delivered again after ${(performance.now() - killedAt).toFixed(0)} ` +
          `ms (locks of ${QUICK.lockDuration} ms)`,
      );
    });

    it('does not give a job that runs longer than its lock to another worker', async () => {
      const [first, second] = [await member(QUICK), await member(QUICK)];
      const mine = kind();
      let deliveries = 0;
      const handle = async () => {
        deliveries++;
        await sleep(2_200);
      };
      await first.consume(mine, 1, handle);
      await first.enqueue(mine, only(jobs(1)));
      await expect.poll(() => deliveries).toBe(1);
      await second.consume(mine, 1, handle);
      await sleep(1_900);
      expect(deliveries).toBe(1);
    });
  });
}
