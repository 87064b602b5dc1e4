import { once } from 'node:events';
import WebSocket from 'ws';
import type { TypedDocument } from '../../schema/typed-document.js';
import type { Caller, GraphQLErrorShape } from './service.js';

export interface Frame<T> {
  id: string;
  type: 'next' | 'error' | 'complete';
  payload: { data: T | null; errors?: GraphQLErrorShape[] };
}

/** graphql-transport-ws by hand, for what a good client never does: disconnect without closing, or stop reading. */
export class RawSocket {
  private readonly listeners = new Map<string, (frame: Frame<never>, sizeBytes: number) => void>();

  private constructor(private readonly socket: WebSocket) {
    socket.on('error', () => undefined);
    socket.on('message', (data: Buffer) => {
      const frame = JSON.parse(data.toString()) as Frame<never>;
      this.listeners.get(frame.id)?.(frame, data.length);
    });
  }

  static async open({ url, token }: Caller): Promise<RawSocket> {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
    await once(socket, 'open');
    socket.send(JSON.stringify({ type: 'connection_init', payload: { token } }));
    await once(socket, 'message');
    return new RawSocket(socket);
  }

  subscribe<T>(
    query: string,
    variables: Record<string, unknown>,
    listener: (frame: Frame<T>, sizeBytes: number) => void,
    id?: string,
  ): void;
  subscribe<Result, Variables extends Record<string, unknown>>(
    document: TypedDocument<Result, Variables>,
    variables: Variables,
    listener: (frame: Frame<Result>, sizeBytes: number) => void,
    id?: string,
  ): void;
  subscribe<T>(
    document: { toString(): string },
    variables: Record<string, unknown>,
    listener: (frame: Frame<T>, sizeBytes: number) => void,
    id: string = crypto.randomUUID(),
  ): void {
    this.listeners.set(id, listener);
    this.socket.send(JSON.stringify({ id, type: 'subscribe', payload: { query: document.toString(), variables } }));
  }

  /** Reads nothing more from the network. */
  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  /** Breaks the connection without closing it. */
  cut(): void {
    this.listeners.clear();
    this.socket.terminate();
  }
}
