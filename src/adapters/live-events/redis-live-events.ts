import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import type { Logger } from 'pino';
import type { LiveEvents } from './port.js';
import { Topics } from './topics.js';

const CHANNEL = 'matih:live';

/** Wake-ups over Redis publish/subscribe. */
export class RedisLiveEvents implements LiveEvents {
  private readonly origin = randomUUID().slice(0, 8);
  private readonly publisher: Redis;
  private readonly subscriber: Redis;
  private readonly topics = new Topics((topics) => this.send(topics));

  constructor(
    url: string,
    private readonly logger: Logger,
  ) {
    this.publisher = new Redis(url, { maxRetriesPerRequest: 3 });
    this.subscriber = new Redis(url, { maxRetriesPerRequest: null });
    this.publisher.on('error', (error) => logger.warn({ err: error }, 'wake-up connection'));
    this.subscriber.on('error', (error) => logger.warn({ err: error }, 'wake-up connection'));
    this.subscriber.on('message', (_channel: string, message: string) => {
      const [origin, ...topics] = message.split('\n');
      if (origin !== this.origin) for (const topic of topics) this.topics.wake(topic);
    });
    this.subscriber.on('ready', () => this.topics.wakeAll());
  }

  async connect(): Promise<void> {
    await this.subscriber.subscribe(CHANNEL);
  }

  publish(topic: string): void {
    this.topics.publish(topic);
  }

  subscribe(topic: string, listener: () => void): () => void {
    return this.topics.subscribe(topic, listener);
  }

  async close(): Promise<void> {
    this.publisher.disconnect();
    this.subscriber.disconnect();
  }

  private send(topics: string[]): void {
    this.publisher
      .publish(CHANNEL, [this.origin, ...topics].join('\n'))
      .catch((error: unknown) => this.logger.warn({ err: error }, 'wake-up not sent'));
  }
}
