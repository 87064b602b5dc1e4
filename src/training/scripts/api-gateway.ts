import { Agent as HttpAgent, createServer, request as httpRequest, type Server } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const MAX_CONNECTIONS = 64;
const SOCKET_NAME = 'api.sock';

/** A socket in a folder of its own, whose requests go to the API of this service: the only way out of a sandbox. */
export class ApiGateway implements AsyncDisposable {
  private constructor(
    readonly folder: string,
    private readonly server: Server,
    private readonly agent: HttpAgent | HttpsAgent,
  ) {}

  get socketName(): string {
    return SOCKET_NAME;
  }

  static async open(apiUrl: string): Promise<ApiGateway> {
    const isTls = apiUrl.startsWith('https:');
    const agent = isTls ? new HttpsAgent({ keepAlive: true }) : new HttpAgent({ keepAlive: true });
    const send = isTls ? httpsRequest : httpRequest;
    const { host } = new URL(apiUrl);
    const server = createServer((incoming, answer) => {
      const { method, headers, url = '/' } = incoming;
      // A path cannot name another server.
      const path = url.startsWith('/') ? url : '/';
      const outgoing = send(`${apiUrl}${path}`, { method, headers: { ...headers, host }, agent }, (from) => {
        answer.writeHead(from.statusCode ?? 502, from.headers);
        from.on('error', () => answer.destroy()).pipe(answer);
      });
      outgoing.on('error', () => {
        if (answer.headersSent) answer.destroy();
        else answer.writeHead(502).end('The service does not answer.');
      });
      incoming.on('error', () => outgoing.destroy());
      answer.on('close', () => outgoing.destroy());
      incoming.pipe(outgoing);
    });
    server.maxConnections = MAX_CONNECTIONS;
    // Paths of sockets are short, so that it cannot lie in the folder of the data.
    const folder = await mkdtemp(join(tmpdir(), 'matih-script-'));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(join(folder, SOCKET_NAME), resolve);
    });
    return new ApiGateway(folder, server, agent);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
    this.agent.destroy();
    await rm(this.folder, { recursive: true, force: true });
  }
}
