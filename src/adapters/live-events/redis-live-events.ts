import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { Logger } from 'pino';
import { connectRedis, within } from '../redis.js';
import type { LiveEvents } from './port.js';
import { Topics } from './topics.js';

const CHANNEL = 'matih:live';
const TIMEOUT_MS = 5_000;

/** Wake-ups over Redis publish/subscribe. */
export class RedisLiveEvents implements LiveEvents {
  private readonly origin = randomUUID().slice(0, 8);
  private readonly pings: NodeJS.Timeout;
  private readonly topics = new Topics((topics) => this.send(topics));

  private constructor(
    private readonly publisher: Redis,
    private readonly subscriber: Redis,
    private readonly logger: Logger,
    timeoutMs: number,
  ) {
    subscriber.on('message', (_channel: string, message: string) => {
      const [origin, ...topics] = message.split('\n');
      if (origin !== this.origin) for (const topic of topics) this.topics.wake(topic);
    });
    // The listener subscribes again itself, so that this happens before all followers read again.
    subscriber.on(
      'ready',
      () => void this.listen().catch((error: unknown) => logger.warn({ err: error }, 'wake-ups not heard')),
    );
    // It only listens; without a question it would not notice that its connection is dead.
    this.pings = setInterval(() => {
      if (subscriber.status === 'ready') subscriber.ping().catch(() => undefined);
    }, timeoutMs).unref();
  }

  static async connect(url: string, logger: Logger, timeoutMs = TIMEOUT_MS): Promise<RedisLiveEvents> {
    // A wake-up that cannot be sent now is useless later.
    const publisher = await connectRedis(url, logger, timeoutMs, {
      commandTimeout: timeoutMs,
      maxRetriesPerRequest: 0,
      enableOfflineQueue: false,
    });
    const subscriber = await connectRedis(url, logger, timeoutMs, {
      autoResubscribe: false,
      maxRetriesPerRequest: null,
    });
    const live = new RedisLiveEvents(publisher, subscriber, logger, timeoutMs);
    await within(timeoutMs, 'Redis', live.listen());
    return live;
  }

  publish(topic: string): void {
    this.topics.publish(topic);
  }

  subscribe(topic: string, listener: () => void): () => void {
    return this.topics.subscribe(topic, listener);
  }

  async close(): Promise<void> {
    clearInterval(this.pings);
    await this.topics.flushed();
    this.publisher.disconnect();
    this.subscriber.disconnect();
  }

  private async listen(): Promise<void> {
    await this.subscriber.subscribe(CHANNEL);
    this.topics.wakeAll();
  }

  private async send(topics: string[]): Promise<void> {
    try {
      await this.publisher.publish(CHANNEL, [this.origin, ...topics].join('\n'));
    } catch (error) {
      this.logger.warn({ err: error }, 'wake-up not sent');
    }
  }
}
