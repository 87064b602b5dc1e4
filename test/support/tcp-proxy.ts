import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

export interface TcpProxy {
  port: number;
  /** Ends every connection and refuses new ones. */
  cut(): void;
  /** Accepts connections but passes nothing on, like a network that drops packets. */
  swallow(): void;
  restore(): void;
  close(): Promise<void>;
}

/** A proxy between a client and a real server, which a test can cut. */
export async function startTcpProxy(target: { host: string; port: number }): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  let mode: 'pass' | 'cut' | 'swallow' = 'pass';
  const server = createServer((client) => {
    track(client);
    if (mode === 'cut') client.resetAndDestroy();
    if (mode !== 'pass') return;
    const upstream = connect(target);
    track(upstream);
    client.pipe(upstream).pipe(client);
    client.once('close', () => upstream.destroy());
    upstream.once('close', () => client.destroy());
  }).listen(0, '127.0.0.1');
  function track(socket: Socket): void {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => sockets.delete(socket));
  }
  await once(server, 'listening');
  const drop = () => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  return {
    port: (server.address() as { port: number }).port,
    cut: () => {
      mode = 'cut';
      drop();
    },
    swallow: () => {
      mode = 'swallow';
      for (const socket of sockets) socket.unpipe();
    },
    restore: () => {
      mode = 'pass';
    },
    close: async () => {
      drop();
      server.close();
      await once(server, 'close');
    },
  };
}
