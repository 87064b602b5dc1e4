import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import OpenAI, { APIError, AuthenticationError, BadRequestError, NotFoundError, RateLimitError } from 'openai';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Role } from '../../src/modules/core/rules/principal.js';
import { serveLanguageModel, user } from '../support/language-models.js';
import { type Caller, startTestService, type TestService } from '../support/service.js';
import { TextServer } from '../support/text-server.js';
import {
  LoggedPromptDetailsDocument,
  SetPromptLoggingDetailsDocument,
  SetTokenBudgetDetailsDocument,
} from '../generated/operations.js';

/** The unmodified client of OpenAI against this service; test/engines/vllm has the same with vLLM behind it. */

let peer: TextServer;
let service: TestService;
let tess: Caller;
let client: OpenAI;
let model: string;
let endpointId: string;

async function allOf<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

const clientOf = (caller: Caller) => new OpenAI({ baseURL: `${service.url}/v1`, apiKey: caller.token, maxRetries: 0 });

beforeAll(async () => {
  peer = await TextServer.start();
  service = await startTestService({ VLLM_URL: peer.url });
  tess = await service.as();
  client = clientOf(tess);
});
afterAll(async () => {
  await service?.close();
  await peer?.close();
});

it('chats, completes and lists models', async () => {
  ({ endpoint: model, endpointId } = await serveLanguageModel(tess));
  const chat = await client.chat.completions.create({
    model,
    messages: [
      { role: 'developer', content: 'Be short.' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'Cou' },
          { type: 'text', text: 'nt' },
        ],
      },
    ],
    max_completion_tokens: 2,
    temperature: 0,
    stop: 'five',
    n: 1,
    user: 'ann',
    tools: [],
    store: false,
  });
  expect(chat).toMatchObject({
    object: 'chat.completion',
    model,
    choices: [{ index: 0, message: { role: 'assistant', content: 'One two', refusal: null }, finish_reason: 'length' }],
    usage: { prompt_tokens: 7, completion_tokens: 2, total_tokens: 9 },
  });
  expect(chat.id).toMatch(/^chatcmpl-[0-9a-f-]{36}$/);
  expect(peer.asked.at(-1)!.body).toMatchObject({
    messages: [{ role: 'system', content: 'Be short.' }, user('Count')],
    ...{ max_tokens: 2, stop: ['five'] },
  });
  const completion = await client.completions.create({ model, prompt: 'Count' });
  expect(completion.choices[0]).toMatchObject({ text: 'One two three ann@example.org four', finish_reason: 'stop' });
  const listed = await allOf(await client.models.list());
  expect(listed.map(({ id }) => id)).toEqual([model]);
  expect((await client.models.retrieve(model)).owned_by).toBe('matih');
});

it('streams, with the usage when asked for', async () => {
  const messages = [{ role: 'user' as const, content: 'Count' }];
  const stream = await client.chat.completions.create({
    ...{ model, messages, stream: true },
    stream_options: { include_usage: true },
  });
  const chunks = await allOf(stream);
  expect(chunks[0]!.choices[0]!.delta).toEqual({ role: 'assistant', content: '' });
  expect(chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('')).toBe(
    'One two three ann@example.org four',
  );
  expect(chunks.at(-2)!.choices[0]!.finish_reason).toBe('stop');
  expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { total_tokens: 12 } });
  expect(chunks.slice(0, -1).every(({ usage }) => usage === null)).toBe(true);
  const plain = await allOf(await client.chat.completions.create({ model, messages, stream: true }));
  expect(plain.some((chunk) => 'usage' in chunk)).toBe(false);
  const helper = client.chat.completions.stream({ model, messages });
  expect((await helper.finalChatCompletion()).choices[0]!.message.content).toContain('three');
  const completions = await client.completions.create({ model, prompt: 'Count', stream: true });
  expect((await allOf(completions)).map(({ choices }) => choices[0]!.text).join('')).toContain('two three');
});

it('ends the answer at the server when the client goes', async () => {
  const stream = await client.chat.completions.create({
    ...{ model, messages: [user('go on ENDLESS') as { role: 'user'; content: string }], stream: true },
  });
  const seen: unknown[] = [];
  for await (const chunk of stream) if (seen.push(chunk) === 10) break;
  await expect.poll(() => peer.running, { timeout: 2_000 }).toBe(0);
});

it('a client that does not read slows the server, and fills no memory', async () => {
  const body = JSON.stringify({ model, messages: [user('go on ENDLESS')], stream: true, user: 'x'.repeat(200) });
  const before = process.memoryUsage.rss();
  const sockets = await Promise.all(
    Array.from({ length: 5 }, async () => {
      const socket = connect(Number(new URL(service.url).port), '127.0.0.1');
      await once(socket, 'connect');
      socket.pause();
      socket.write(
        `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${tess.token}\r\n` +
          `content-length: ${body.length}\r\n\r\n${body}`,
      );
      return socket;
    }),
  );
  await expect.poll(() => peer.running, { timeout: 5_000 }).toBe(5);
  await sleep(3_000);
  const grownMb = (process.memoryUsage.rss() - before) / 1e6;
  console.log(`5 readers that do not read, 3 s: ${grownMb.toFixed(1)} MB more`);
  expect(grownMb).toBeLessThan(100);
  for (const socket of sockets) socket.destroy();
  await expect.poll(() => peer.running, { timeout: 3_000 }).toBe(0);
});

it('errors have OpenAI’s form, and the client knows them', async () => {
  const messages = [{ role: 'user' as const, content: 'x' }];
  const failing = async (body: object, kind: 'chat' | 'completions' = 'chat'): Promise<APIError> => {
    const given = { model, ...body } as never;
    const call = kind === 'chat' ? client.chat.completions.create(given) : client.completions.create(given);
    return (call as Promise<unknown>).then(
      () => Promise.reject(new Error('it was expected to fail')),
      (error: APIError) => error,
    );
  };
  const cases: [object, string][] = [
    [{ messages, n: 2 }, 'n'],
    [{ messages, logprobs: true }, 'logprobs'],
    [{ messages, tools: [{ type: 'function', function: { name: 'f' } }] }, 'tools'],
    [{ messages, wizardry: 1 }, 'wizardry'],
    [{ messages, max_tokens: 0 }, 'max_tokens'],
    [{ messages, max_tokens: 1.5 }, 'max_tokens'],
    [{ messages, top_p: 2 }, 'top_p'],
    [{ messages, stop: Array.from({ length: 17 }, () => 'x') }, 'stop'],
    [{ messages, stream: 'yes' }, 'stream'],
    [{ messages: [] }, 'messages'],
    [{ messages: 'x' }, 'messages'],
    [{ messages: [{ role: 'wizard', content: 'x' }] }, 'messages[0].role'],
    [{ messages: [{ role: 'tool', content: 'x', tool_call_id: '1' }] }, 'messages[0].role'],
    [{ messages: [{ role: 'user', content: [{ type: 'image_url', image_url: {} }] }] }, 'messages[0].content[0]'],
    [{ messages: [{ role: 'user', content: '\ud800' }] }, 'messages[0].content'],
    [{ messages: [{ role: 'assistant', content: null, tool_calls: [{}] }] }, 'messages[0].tool_calls'],
  ];
  for (const [body, param] of cases) {
    const error = await failing(body);
    expect(error, param).toBeInstanceOf(BadRequestError);
    expect(error, JSON.stringify(error)).toMatchObject({ type: 'invalid_request_error', param });
    expect(error.message, param).not.toContain('input.');
  }
  expect(await failing({ prompt: [1, 2] }, 'completions')).toMatchObject({ status: 400, param: 'prompt' });
  expect(await failing({ model: 'nobody', messages })).toBeInstanceOf(NotFoundError);
  const stranger = new OpenAI({ baseURL: `${service.url}/v1`, apiKey: 'nonsense', maxRetries: 0 });
  await expect(stranger.models.list()).rejects.toBeInstanceOf(AuthenticationError);
  expect(await failing({ messages: [user('CROWDED')] })).toBeInstanceOf(RateLimitError);
  expect(await failing({ messages: [user('FAILS')] })).toMatchObject({ status: 503, type: 'server_error' });
  const streamed = await client.chat.completions.create({
    ...{ model, messages: [{ role: 'user', content: 'HALF' }], stream: true },
  });
  const texts: string[] = [];
  const reading = async () => {
    for await (const { choices } of streamed) texts.push(choices[0]?.delta.content ?? '');
  };
  await expect(reading()).rejects.toMatchObject({ code: 'unavailable' });
  expect(texts.join('')).toBe('One two');
  const notJson = await fetch(`${service.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${tess.token}`, 'content-type': 'application/json' },
    body: '{"model',
  });
  expect([notJson.status, ((await notJson.json()) as { error: { param: string } }).error.param]).toEqual([400, 'body']);
});

it('obeys budgets and roles, and is logged', async () => {
  const messages = [{ role: 'user' as const, content: 'My card: 4111-1111-1111-1111' }];
  await tess.ok(SetPromptLoggingDetailsDocument, { input: { endpointId, sampleRate: 1 } });
  await expect
    .poll(
      async () => {
        await client.chat.completions.create({ model, messages });
        const { loggedPrompts } = await tess.ok(LoggedPromptDetailsDocument, { endpointId });
        return loggedPrompts.nodes[0];
      },
      { timeout: 5_000 },
    )
    .toMatchObject({ messages: [user('My card: [CARD]')], answer: 'One two three [EMAIL] four' });
  const viewer = clientOf(await service.as({ role: Role.VIEWER }));
  await expect(viewer.chat.completions.create({ model, messages })).rejects.toMatchObject({
    ...{ status: 403, type: 'permission_error' },
  });
  const thrifty = await service.as({ tenant: 'thrifty' });
  const { endpoint } = await serveLanguageModel(thrifty);
  const admin = await service.as({ tenant: 'thrifty', role: Role.ADMIN });
  await admin.ok(SetTokenBudgetDetailsDocument, { input: { tokensPerDay: 0 } });
  // Retries would not help before the next day: the client does not make them.
  const eager = new OpenAI({ baseURL: `${service.url}/v1`, apiKey: thrifty.token, maxRetries: 5 });
  const startedAt = performance.now();
  await expect(eager.chat.completions.create({ model: endpoint, messages })).rejects.toMatchObject({
    ...{ status: 429, type: 'insufficient_quota', code: 'insufficient_quota' },
  });
  expect(performance.now() - startedAt).toBeLessThan(2_000);
});
