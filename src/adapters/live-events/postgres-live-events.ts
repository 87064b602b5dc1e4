import { randomUUID } from 'node:crypto';
import pg from 'pg';
import type { Logger } from 'pino';
import type { LiveEvents } from './port.js';
import { Topics } from './topics.js';

const CHANNEL = 'matih_live';
/** NOTIFY accepts at most 8,000 bytes. */
const MAX_PAYLOAD_BYTES = 7_900;
const RECONNECT_MS = 500;
const TIMEOUT_MS = 5_000;
/** This connection is silent for long times, so its loss is noticed only with keep-alive packets. */
const KEEP_ALIVE_MS = 10_000;

/** Wake-ups over LISTEN/NOTIFY on a separate connection, outside of every writing transaction. */
export class PostgresLiveEvents implements LiveEvents {
  private readonly origin = randomUUID().slice(0, 8);
  private readonly topics = new Topics((topics) => this.send(topics));
  private client: pg.Client | null = null;
  private reconnect: NodeJS.Timeout | null = null;
  private closed = false;

  constructor(
    private readonly url: string,
    private readonly logger: Logger,
  ) {}

  async connect(): Promise<void> {
    const client = new pg.Client({
      connectionString: this.url,
      application_name: 'matih-live',
      connectionTimeoutMillis: TIMEOUT_MS,
      query_timeout: TIMEOUT_MS,
      keepAlive: true,
      keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
    });
    client.on('error', (error) => this.lost(client, error));
    client.on('end', () => this.lost(client, null));
    client.on('notification', ({ payload }) => {
      const [origin, ...topics] = (payload ?? '').split('\n');
      if (origin !== this.origin) for (const topic of topics) this.topics.wake(topic);
    });
    try {
      await client.connect();
      await client.query(`listen ${CHANNEL}`);
    } catch (error) {
      void client.end().catch(() => undefined);
      throw error;
    }
    this.client = client;
    this.topics.wakeAll();
  }

  publish(topic: string): void {
    this.topics.publish(topic);
  }

  subscribe(topic: string, listener: () => void): () => void {
    return this.topics.subscribe(topic, listener);
  }

  async close(): Promise<void> {
    await this.topics.flushed();
    this.closed = true;
    if (this.reconnect) clearTimeout(this.reconnect);
    await this.client?.end().catch(() => undefined);
  }

  private async send(topics: string[]): Promise<void> {
    const client = this.client;
    if (!client) return;
    try {
      for (const payload of this.payloads(topics)) await client.query('select pg_notify($1, $2)', [CHANNEL, payload]);
    } catch (error) {
      this.logger.warn({ err: error }, 'wake-up not sent');
      // A connection that takes too long counts as lost; its end causes a new one.
      void client.end().catch(() => undefined);
    }
  }

  private *payloads(topics: string[]): Generator<string> {
    let payload = this.origin;
    for (const topic of topics) {
      if (Buffer.byteLength(payload) + Buffer.byteLength(topic) + 1 > MAX_PAYLOAD_BYTES) {
        yield payload;
        payload = this.origin;
      }
      payload += `\n${topic}`;
    }
    yield payload;
  }

  private lost(client: pg.Client, error: Error | null): void {
    if (this.closed || (this.client !== null && this.client !== client)) return;
    this.client = null;
    if (this.reconnect) return;
    this.logger.warn({ err: error }, 'wake-up connection lost, reconnecting');
    const retry = () => {
      this.reconnect = setTimeout(() => {
        this.connect().then(
          () => {
            this.reconnect = null;
          },
          () => {
            if (!this.closed) retry();
          },
        );
      }, RECONNECT_MS);
    };
    retry();
  }
}
