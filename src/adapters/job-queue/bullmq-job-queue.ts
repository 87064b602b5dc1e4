import { setTimeout as delay } from 'node:timers/promises';
import { createPostgresBackend, Queue, WaitingError, withBackend, Worker, type JobsOptions } from 'bullmq';
import pg from 'pg';
import type { Logger } from 'pino';
import { AppError, ErrorCode } from '../../errors.js';
import { connectRedis, within } from '../redis.js';
import { type Consumer, type JobQueue, NotNow, type QueuedJob } from './port.js';

/** The schema, or key prefix, that separates BullMQ's data from other data. */
const SCHEMA = 'bullmq';
const PREFIX = 'matih';

// The job table remembers ended jobs. BullMQ drops a new job whose id it still knows, so it must forget ended jobs at
// once.
const JOB_OPTIONS: JobsOptions = { removeOnComplete: true, removeOnFail: true, attempts: 1 };
const WORKER_OPTIONS = { maxStalledCount: 5, runRetryDelay: 1_000 };
/**
 * If a worker does not renew a job's lock for this long, BullMQ gives the job to another; the heartbeats of the job
 * table usually notice earlier.
 */
const TIMINGS = { lockDuration: 30_000, stalledInterval: 15_000 };
const TIMEOUT_MS = 5_000;
/**
 * Redis may still execute what a closed connection sent: it then gives a job to nobody, and the job waits until its
 * lock ends. So the connection of the consumers is closed this much later.
 */
const CONSUMER_PATIENCE_MS = 30_000;

type QueueOptions = Partial<typeof TIMINGS> & {
  /** Maximum time to wait for an answer of the backend. */
  timeoutMs?: number;
};

/** For PostgreSQL: a worker of each kind and queue keeps one connection to listen on, and most of them are idle. */
const MAX_CONNECTIONS = 64;
/** The highest priority of this service. BullMQ counts from 1, and takes the lowest number first. */
const HIGHEST_PRIORITY = 100;
/** How long the backend may take to answer after the last job has ended. */
const CLOSE_PATIENCE_MS = 3_000;

interface BullQueue {
  waitUntilReady(): Promise<unknown>;
  add(name: string, job: QueuedJob, options: JobsOptions): Promise<unknown>;
  on(event: 'error', listener: (error: Error) => void): unknown;
  close(): Promise<void>;
}

interface BullWorker {
  on(event: 'error', listener: (error: Error) => void): unknown;
  waitUntilReady(): Promise<unknown>;
  pause(doNotWaitActive: boolean): Promise<void>;
  resume(): Promise<void>;
  close(): Promise<void>;
}

interface Backend {
  queue(kind: string): BullQueue;
  worker(kind: string, concurrency: number, handle: (job: QueuedJob) => Promise<void>): BullWorker;
  close(): Promise<void>;
}

/** BullMQ on either of its backends. */
class BullMqJobQueue implements JobQueue {
  readonly name = 'bullmq';
  private readonly queues = new Map<string, BullQueue>();
  private readonly workers: BullWorker[] = [];
  private readonly running = new Set<Promise<void>>();
  private closing = false;

  constructor(
    private readonly backend: Backend,
    private readonly logger: Logger,
    private readonly timeoutMs: number,
  ) {}

  async enqueue(kind: string, job: QueuedJob, priority = 0): Promise<void> {
    const queue = await this.readyQueue(kind);
    const options = {
      ...JOB_OPTIONS,
      jobId: `${job.jobId}-${job.attempt}`,
      priority: HIGHEST_PRIORITY + 1 - priority,
    };
    await this.answer(queue.add(kind, job, options));
  }

  async consume(kind: string, concurrency: number, handle: (job: QueuedJob) => Promise<void>): Promise<Consumer> {
    const worker = this.backend.worker(kind, concurrency, (job) => this.track(handle(job)));
    // At a shutdown, the database may stop before the last connection that listens to it.
    worker.on('error', (error) => this.logger[this.closing ? 'debug' : 'warn']({ err: error, kind }, 'job worker'));
    this.workers.push(worker);
    await this.answer(worker.waitUntilReady());
    const tell = (error: unknown) => this.logger.warn({ err: error, kind }, 'job worker');
    return {
      pause: () => void worker.pause(true).catch(tell),
      resume: () => void worker.resume().catch(tell),
    };
  }

  async close(): Promise<void> {
    this.closing = true;
    const closed = Promise.all(this.workers.map((worker) => worker.close())).then(() =>
      Promise.all([...this.queues.values()].map((queue) => queue.close())),
    );
    // A worker without its backend never closes. After its jobs have ended, waiting longer has no purpose.
    const isDone = await Promise.race([
      closed.then(() => true),
      this.idle().then(() => delay(CLOSE_PATIENCE_MS, false, { ref: false })),
    ]);
    if (!isDone) {
      this.logger.warn('the queues do not answer and are left as they are');
      closed.catch(() => undefined);
    }
    const released = this.backend.close();
    if (isDone) await released;
    else released.catch(() => undefined);
  }

  private async readyQueue(kind: string): Promise<BullQueue> {
    const queue = this.queues.get(kind) ?? this.newQueue(kind);
    await this.answer(queue.waitUntilReady());
    return queue;
  }

  private newQueue(kind: string): BullQueue {
    const queue = this.backend.queue(kind);
    queue.on('error', (error) => this.logger.warn({ err: error, kind }, 'job queue'));
    this.queues.set(kind, queue);
    // A queue whose setup failed never becomes ready; the next job gets a new one.
    queue.waitUntilReady().catch(() => {
      this.queues.delete(kind);
      queue.close().catch(() => undefined);
    });
    return queue;
  }

  private answer<T>(answer: Promise<T>): Promise<T> {
    return within(this.timeoutMs, 'The job queue', answer);
  }

  private async track(job: Promise<void>): Promise<void> {
    this.running.add(job);
    await job.finally(() => this.running.delete(job));
  }

  private async idle(): Promise<void> {
    while (this.running.size > 0) await Promise.allSettled(this.running);
  }
}

/** What BullMQ gives to a worker, on either backend. */
interface Delivered {
  data: QueuedJob;
  moveToWait(token?: string): Promise<unknown>;
}

function processor(handle: (job: QueuedJob) => Promise<void>) {
  return async (job: Delivered, token?: string): Promise<void> => {
    try {
      await handle(job.data);
    } catch (error) {
      if (!(error instanceof NotNow)) throw error;
      await job.moveToWait(token);
      throw new WaitingError();
    }
  };
}

/** BullMQ on PostgreSQL, in its own schema. */
export async function createPostgresJobQueue(
  url: string,
  logger: Logger,
  { timeoutMs = TIMEOUT_MS, ...timings }: QueueOptions = {},
): Promise<JobQueue> {
  const { Queue: PgQueue, Worker: PgWorker } = withBackend(createPostgresBackend);
  const setup = new pg.Client({ connectionString: url });
  // The statement that fails reports the same error.
  setup.on('error', () => undefined);
  await setup.connect();
  try {
    await setup.query('select pg_advisory_lock(hashtext($1))', ['matih.bullmq']);
    await makeSchema(setup);
    const migrating = new PgQueue<QueuedJob>('migrate', {
      connection: { connectionString: url, schema: SCHEMA, max: 1, migrate: true },
    });
    await migrating.waitUntilReady();
    await migrating.close();
  } finally {
    await setup.end();
  }
  const connection = queuePool(url, logger);
  const options = { connection, ...WORKER_OPTIONS, ...TIMINGS, ...timings };
  return new BullMqJobQueue(
    {
      queue: (kind) => new PgQueue<QueuedJob>(kind, { connection }),
      worker: (kind, concurrency, handle) =>
        new PgWorker<QueuedJob>(kind, processor(handle), { ...options, concurrency }),
      close: () => connection.end(),
    },
    logger,
    timeoutMs,
  );
}

/** All queues and workers of this process share the pool; each worker keeps one of its connections to listen on. */
function queuePool(url: string, logger: Logger): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    max: MAX_CONNECTIONS,
    keepAlive: true,
    options: `-c search_path=${SCHEMA}`,
  });
  // Each queue and worker listens too.
  pool.setMaxListeners(0);
  pool.on('error', (error) => logger.warn({ err: error }, 'job queue connection'));
  // BullMQ adds its listener to a new connection a moment later. Without a listener, an error in this moment would end
  // the process.
  pool.on('connect', (client) => client.on('error', () => undefined));
  return pool;
}

async function makeSchema(client: pg.Client): Promise<void> {
  try {
    await client.query(`create schema if not exists ${SCHEMA}`);
  } catch (error) {
    if ((error as { code?: string }).code !== '42501') throw error;
    const { rows } = await client.query<{ remedy: string }>(
      `select format('GRANT CREATE ON DATABASE %I TO %I', current_database(), current_user) as remedy`,
    );
    const message =
      `The user of DATABASE_URL may not create the schema ${SCHEMA} for the job queues: run as a superuser: ` +
      `${rows[0]?.remedy}.`;
    throw new AppError(ErrorCode.UNAVAILABLE, message, { field: 'DATABASE_URL' }, { cause: error });
  }
}

/** BullMQ on Redis. */
export async function createRedisJobQueue(
  url: string,
  logger: Logger,
  { timeoutMs = TIMEOUT_MS, ...timings }: QueueOptions = {},
): Promise<JobQueue> {
  // The producer fails at once when Redis is down, and its caller retries later; the consumer waits for Redis.
  const producer = await connectRedis(url, logger, timeoutMs, {
    commandTimeout: timeoutMs,
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
  });
  const consumer = await connectRedis(url, logger, timeoutMs, {
    socketTimeout: timeoutMs + CONSUMER_PATIENCE_MS,
    maxRetriesPerRequest: null,
  });
  const options = { connection: consumer, prefix: PREFIX, ...WORKER_OPTIONS, ...TIMINGS, ...timings };
  return new BullMqJobQueue(
    {
      queue: (kind) => new Queue<QueuedJob>(kind, { connection: producer, prefix: PREFIX }),
      worker: (kind, concurrency, handle) =>
        new Worker<QueuedJob>(kind, processor(handle), { ...options, concurrency }),
      close: async () => {
        producer.disconnect();
        consumer.disconnect();
      },
    },
    logger,
    timeoutMs,
  );
}
