import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { TestService } from './service.js';

/**
 * A file that one process sends to the object store, as if that process were frozen: it arrives when the test releases
 * it.
 */
export interface HeldPut {
  /** Resolves when the process has sent it. */
  key: Promise<string>;
  /** Resolves when it has arrived. */
  release(change?: (content: Buffer) => Buffer): Promise<void>;
}

/** Holds the next file whose key matches. */
export function holdPut({ app }: TestService, pattern: RegExp): HeldPut {
  const { objects } = app.context;
  const put = objects.put.bind(objects);
  const sent = Promise.withResolvers<string>();
  const released = Promise.withResolvers<(content: Buffer) => Buffer>();
  const arrived = Promise.withResolvers<void>();
  objects.put = async (key, content, options) => {
    if (!pattern.test(key)) return put(key, content, options);
    objects.put = put;
    const whole = Buffer.isBuffer(content) ? content : await buffer(content);
    sent.resolve(key);
    const change = await released.promise;
    try {
      return await put(key, Readable.from([change(whole)]), options);
    } finally {
      arrived.resolve();
    }
  };
  return {
    key: sent.promise,
    release: (change = (content) => content) => {
      released.resolve(change);
      return arrived.promise;
    },
  };
}
