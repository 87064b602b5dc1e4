import { createReadStream } from 'node:fs';
import { basename } from 'node:path';
import { Readable } from 'node:stream';
import { createClient, type Client } from 'graphql-ws';
import WebSocket from 'ws';
import type { TypedDocument, VariablesOf } from '../schema/typed-document.ts';

/** A client of the public API; it gets only URLs and a token. */
export class ApiClient {
  private readonly url: string;
  private readonly token: string;
  private readonly socket: Client;

  constructor(url: string, token: string) {
    this.url = url;
    this.token = token;
    this.socket = createClient({
      url: `${url.replace('http', 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      connectionParams: { token },
      retryAttempts: 5,
    });
  }

  async request<Answer, Variables>(
    document: TypedDocument<Answer, Variables>,
    ...[variables]: VariablesOf<Variables>
  ): Promise<Answer> {
    const response = await fetch(`${this.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${this.token}` },
      body: JSON.stringify({ query: document.toString(), variables }),
    });
    const { data, errors } = (await response.json()) as {
      data: Answer;
      errors?: { message: string; extensions?: { code?: string } }[];
    };
    const error = errors?.[0];
    if (error) throw new ApiError(error.message, error.extensions?.code ?? 'UNKNOWN');
    return data;
  }

  /** Follows a subscription; `handle` returns true when it has received enough. */
  async follow<Item, Variables extends Record<string, unknown>>(
    document: TypedDocument<Record<string, Item>, Variables>,
    variables: Variables,
    handle: (item: Item) => boolean,
  ): Promise<void> {
    const query = document.toString();
    for await (const { data, errors } of this.socket.iterate<Record<string, Item>>({ query, variables })) {
      if (errors?.[0]) throw new ApiError(errors[0].message, String(errors[0].extensions?.['code'] ?? 'UNKNOWN'));
      const item = Object.values(data ?? {})[0];
      if (item !== undefined && handle(item)) return;
    }
  }

  async upload(path: string): Promise<string> {
    const init: RequestInit & { duplex: 'half' } = {
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream', authorization: `Bearer ${this.token}` },
      body: Readable.toWeb(createReadStream(path)) as ReadableStream,
      duplex: 'half',
    };
    const response = await fetch(`${this.url}/uploads?fileName=${encodeURIComponent(basename(path))}`, init);
    const answer = (await response.json()) as { uploadId?: string; error?: { message: string } };
    if (!answer.uploadId) throw new Error(answer.error?.message ?? `upload answered ${response.status}`);
    return answer.uploadId;
  }

  close(): Promise<void> | void {
    return this.socket.dispose();
  }
}

export class ApiError extends Error {
  readonly code: string;

  constructor(message: string, code: string) {
    super(message);
    this.name = 'ApiError';
    this.code = code;
  }
}
