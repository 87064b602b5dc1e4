import { randomUUID } from 'node:crypto';
import pg from 'pg';
import type { Logger } from 'pino';
import type { LiveEvents } from './port.js';
import { Topics } from './topics.js';

const CHANNEL = 'matih_live';
/** NOTIFY carries at most 8,000 bytes. */
const MAX_PAYLOAD_BYTES = 7_900;
const RECONNECT_MS = 500;

/** Wake-ups over LISTEN/NOTIFY on one connection of their own, outside every writing transaction. */
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
    const client = new pg.Client({ connectionString: this.url, keepAlive: true, application_name: 'matih-live' });
    client.on('error', (error) => this.lost(client, error));
    client.on('end', () => this.lost(client, null));
    client.on('notification', ({ payload }) => {
      const [origin, ...topics] = (payload ?? '').split('\n');
      if (origin !== this.origin) for (const topic of topics) this.topics.wake(topic);
    });
    await client.connect();
    await client.query(`listen ${CHANNEL}`);
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
    this.closed = true;
    if (this.reconnect) clearTimeout(this.reconnect);
    await this.client?.end().catch(() => undefined);
  }

  private send(topics: string[]): void {
    let payload = this.origin;
    const flush = () => {
      const text = payload;
      this.client?.query('select pg_notify($1, $2)', [CHANNEL, text]).catch((error: unknown) => this.logger.warn({ err: error }, 'wake-up not sent'));
      payload = this.origin;
    };
    for (const topic of topics) {
      if (Buffer.byteLength(payload) + topic.length + 1 > MAX_PAYLOAD_BYTES) flush();
      payload += `\n${topic}`;
    }
    flush();
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
