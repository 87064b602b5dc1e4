import { createGraphiQLFetcher, type Fetcher } from '@graphiql/toolkit';
import { createClient } from 'graphql-ws';

const httpUrl = new URL('../graphql', location.href);
const wsUrl = Object.assign(new URL(httpUrl), { protocol: httpUrl.protocol === 'https:' ? 'wss:' : 'ws:' });

/** Queries and mutations go by POST, subscriptions by WebSocket (graphql-transport-ws); both carry the token. */
export function createFetcher(token: string): Fetcher {
  const authorization: Record<string, string> = token === '' ? {} : { authorization: `Bearer ${token}` };
  return createGraphiQLFetcher({
    url: httpUrl.href,
    headers: authorization,
    wsClient: createClient({ url: wsUrl.href, lazy: true, retryAttempts: 3, connectionParams: authorization }),
  });
}
