import { createGraphiQLFetcher, type Fetcher } from '@graphiql/toolkit';
import { createClient } from 'graphql-ws';
import { rememberIds } from './steps.js';
import { recording } from './subscription.js';

const httpUrl = new URL('../graphql', location.href);
const wsUrl = Object.assign(new URL(httpUrl), { protocol: httpUrl.protocol === 'https:' ? 'wss:' : 'ws:' });
const uploadsUrl = new URL('../uploads', location.href);

/** Ids from answers on this page, by kind of object; the operations of the quickstart use them. */
export const knownIds = new Map<string, string>();

function headersFor(token: string): Record<string, string> {
  return token === '' ? {} : { authorization: `Bearer ${token}` };
}

/** Sends queries and mutations by POST, subscriptions by WebSocket (graphql-transport-ws), both with the token. */
export function createFetcher(token: string): Fetcher {
  const fetcher = createGraphiQLFetcher({
    url: httpUrl.href,
    headers: headersFor(token),
    wsClient: createClient({ url: wsUrl.href, lazy: true, retryAttempts: 3, connectionParams: headersFor(token) }),
  });
  return recording(fetcher, (data) => rememberIds(knownIds, data));
}

/** Sends a file and stores its upload id. Throws with the sentence of the service. */
export async function uploadFile(token: string, file: File): Promise<void> {
  const url = `${uploadsUrl}?fileName=${encodeURIComponent(file.name)}`;
  const response = await fetch(url, {
    method: 'POST',
    headers: { ...headersFor(token), 'content-type': 'application/octet-stream' },
    body: file,
  });
  const answer = (await response.json()) as { uploadId?: string; message?: string };
  if (answer.uploadId === undefined)
    throw new Error(answer.message ?? `The upload ended with status ${response.status}.`);
  knownIds.set('upload', answer.uploadId);
}
