import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text as bodyOf } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';

/** What the peer does with a request: the last word of its prompt says it. */
const FAULTS = [
  ...['HANG', 'HALF', 'GARBAGE', 'HTML', 'CROWDED', 'MOVED', 'LATE', 'FAILS', 'ENDLESS', 'LONGLINE'],
  ...['GRAMMAR', 'ABORTED', 'ODDFIELD'],
] as const;

/** After this time what was written has left. */
const SENT_MS = 50;

interface Asked {
  path: string;
  key: string | undefined;
  model: string;
  body: Record<string, unknown>;
}

/**
 * A server that sends the bytes of vLLM 0.32, and the faults that a real one cannot be brought to. That vLLM itself
 * works is shown by test/engines/vllm.
 */
export class TextServer {
  readonly asked: Asked[] = [];
  readonly adapters = new Map<string, string>();
  /** Streams that run. */
  running = 0;
  models = ['tiny', 'other'];
  tokenMs = 0;
  private constructor(private readonly server: Server) {}

  static async start(port = 0): Promise<TextServer> {
    const server = createServer();
    const peer = new TextServer(server);
    server.on('request', (request, response) => void peer.take(request, response));
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return peer;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }

  private async take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const text = await bodyOf(request);
    const path = request.url ?? '';
    if (path === '/v1/models') return answerJson(response, 200, this.listed());
    const body = JSON.parse(text) as Record<string, unknown>;
    const { model, lora_name: adapter, lora_path: folder } = body as Record<string, string>;
    if (path === '/v1/load_lora_adapter') {
      if (folder!.includes('missing'))
        return refuse(response, 404, `Loading lora ${adapter} failed: No adapter found for ${folder}`);
      this.adapters.set(adapter!, folder!);
      return void response.end(`Success: LoRA adapter '${adapter}' added successfully.`);
    }
    if (path === '/v1/unload_lora_adapter') {
      if (!this.adapters.delete(adapter!))
        return refuse(response, 404, `The lora adapter '${adapter}' cannot be found.`);
      return void response.end('Success');
    }
    this.asked.push({ path, key: request.headers.authorization, model: model!, body });
    if (!this.models.includes(model!) && !this.adapters.has(model!))
      return refuse(response, 404, `The model \`${model}\` does not exist.`, 'model');
    if (Number(body['max_tokens']) > 512)
      return refuse(response, 400, 'max_tokens cannot be greater than max_model_len=512.', 'max_tokens');
    this.running++;
    try {
      await this.generate(path, body, response);
    } finally {
      this.running--;
    }
  }

  private listed(): object {
    const entry = (id: string, parent: string | null) => ({ id, object: 'model', owned_by: 'vllm', parent });
    const adapters = [...this.adapters.keys()].map((name) => entry(name, 'tiny'));
    return { object: 'list', data: [...this.models.map((name) => entry(name, null)), ...adapters] };
  }

  private async generate(path: string, body: Record<string, unknown>, response: ServerResponse): Promise<void> {
    const messages = body['messages'] as { content: string }[] | undefined;
    const prompt = messages?.at(-1)?.content ?? String(body['prompt']);
    const fault = FAULTS.find((name) => prompt.endsWith(name));
    if (fault === 'HTML') return void response.setHeader('content-type', 'text/html').end('<p>Welcome</p>');
    if (fault === 'CROWDED') return refuse(response, 429, 'busy', null, { 'retry-after': '2' });
    if (fault === 'FAILS') return refuse(response, 500, `broken at http://10.0.0.1:9 in /secret/place.py`);
    if (fault === 'MOVED') return void response.writeHead(307, { location: 'http://127.0.0.1:9/steal' }).end();
    if (fault === 'LATE') await untilClosed(response, 30_000);
    const isChat = path.endsWith('/chat/completions');
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
    const words = ['One', ' two', ' three', ' ann@example.org', ' four'];
    const limit = Math.min(Number(body['max_tokens'] ?? Infinity), fault === 'ENDLESS' ? Infinity : words.length);
    const usage = (tokens: number) => ({ prompt_tokens: 7, total_tokens: 7 + tokens, completion_tokens: tokens });
    const send = (value: object) => response.write(`data: ${JSON.stringify(value)}\n\n`);
    const choice = (text: string, reason: string | null) => ({
      choices: [{ index: 0, ...(isChat ? { delta: { content: text } } : { text }), finish_reason: reason }],
    });
    if (fault === 'GRAMMAR') {
      const error = {
        message: 'Grammar error: Invalid type: nonsense',
        type: 'BadRequestError',
        param: null,
        code: 400,
      };
      send({ error });
      return void response.end('data: [DONE]\n\n');
    }
    if (fault === 'ODDFIELD') response.write(': a comment\nretry: soon\nbudget: 7\n\n');
    if (isChat) send({ choices: [{ index: 0, delta: { role: 'assistant', content: '' } }], usage: usage(0) });
    for (let i = 0; i < limit && !response.destroyed; i++) {
      if (this.tokenMs > 0 || fault === 'ENDLESS') await sleep(this.tokenMs || 5);
      if (i === 2 && fault === 'HANG') return untilClosed(response, 30_000);
      if (i === 2 && fault === 'HALF') return void setTimeout(() => response.destroy(), SENT_MS);
      if (i === 2 && fault === 'GARBAGE') return void response.end('data: {"choices": [{"delta"\n\n');
      if (i === 2 && fault === 'LONGLINE') return void response.end(`data: ${'x'.repeat(3_000_000)}`);
      if (i === 2 && fault === 'ABORTED') return void (send(choice('', 'abort')), response.end('data: [DONE]\n\n'));
      const isLast = i + 1 === limit;
      const reason = isLast ? (limit < words.length ? 'length' : 'stop') : null;
      if (!send({ ...choice(words[i % words.length]!, reason), usage: usage(i + 1) }) && !response.destroyed)
        await Promise.race([once(response, 'drain'), once(response, 'close')]);
    }
    send({ choices: [], usage: usage(limit) });
    response.end('data: [DONE]\n\n');
  }
}

function answerJson(
  response: ServerResponse,
  status: number,
  value: object,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value));
}

function refuse(
  response: ServerResponse,
  status: number,
  message: string,
  param: string | null = null,
  headers: Record<string, string> = {},
): void {
  answerJson(response, status, { error: { message, type: 'Error', param, code: status } }, headers);
}

async function untilClosed(response: ServerResponse, ms: number): Promise<void> {
  await Promise.race([once(response, 'close'), sleep(ms, undefined, { ref: false })]);
}
