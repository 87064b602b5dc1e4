import WebSocket from 'ws';

/**
 * Many sockets with one subscription each, which count messages; every fiftieth also parses them and checks their
 * order.
 */
export class Subscribers {
  private readonly sockets: WebSocket[] = [];
  private received = 0;
  private expected = Infinity;
  private done: (() => void) | null = null;
  private fault: Error | null = null;

  /** Without `operation`: raw sockets, which get events as soon as they are open. */
  static async open(
    url: string,
    count: number,
    operation?: { token?: string; query: string; variables: Record<string, unknown> },
  ): Promise<Subscribers> {
    const subscribers = new Subscribers();
    for (let i = 0; i < count; i++) subscribers.sockets.push(await subscribers.connect(url, i % 50 === 0, operation));
    return subscribers;
  }

  /** Milliseconds until every socket has received `events` more. */
  async receive(events: number, send: () => Promise<unknown>): Promise<number> {
    this.expected = this.received + events * this.sockets.length;
    const started = performance.now();
    const all = new Promise<void>((resolve) => (this.done = resolve));
    const sent = send();
    await all;
    const elapsedMs = performance.now() - started;
    await sent;
    if (this.fault) throw this.fault;
    return elapsedMs;
  }

  close(): void {
    for (const socket of this.sockets) socket.terminate();
  }

  private async connect(
    url: string,
    checked: boolean,
    operation?: { token?: string; query: string; variables: Record<string, unknown> },
  ): Promise<WebSocket> {
    const socket = new WebSocket(url, 'graphql-transport-ws', { perMessageDeflate: false, skipUTF8Validation: true });
    let lastSeq: number | null = null;
    await new Promise<void>((resolve, reject) => {
      socket.on('error', reject);
      socket.on('open', () => {
        if (!operation) return resolve();
        socket.send(JSON.stringify({ type: 'connection_init', payload: { token: operation.token } }));
      });
      socket.on('message', (data: Buffer) => {
        // Acknowledgements and pings are short, and the beginning of a frame says what it is.
        if (data.length < 60 && data.includes('connection_ack')) {
          const { query, variables } = operation ?? {};
          socket.send(JSON.stringify({ id: crypto.randomUUID(), type: 'subscribe', payload: { query, variables } }));
          return resolve();
        }
        if (checked) lastSeq = this.check(data, lastSeq);
        if (++this.received === this.expected) this.done?.();
      });
    });
    return socket;
  }

  private check(data: Buffer, lastSeq: number | null): number {
    const text = data.toString();
    const seq = Number(/"seq":(\d+)/.exec(text)?.[1]);
    if (!text.includes('"type":"next"') || (lastSeq !== null && seq !== lastSeq + 1))
      this.fault ??= new Error(`after seq ${lastSeq} came ${text.slice(0, 300)}`);
    return seq;
  }
}
