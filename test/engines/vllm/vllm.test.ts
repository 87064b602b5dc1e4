import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  ChatDetailsDocument,
  ChatStreamDetailsDocument,
  CompleteDetailsDocument,
  LanguageMinuteDetailsDocument,
  UndeployDetailsDocument,
} from '../../generated/operations.js';
import { chat, languageVersion, languageWorld, serveLanguageModel, user } from '../../support/language-models.js';
import { type Caller, startTestService, type TestService } from '../../support/service.js';
import { deploy, makeVersion, createEndpoint, predict, x, xToY } from '../../support/serving.js';
import { linear } from '../../fixtures/models/build.js';
import { engine } from '../engines.js';
import { printSla } from '../sla.js';
import { Vllm } from './server.js';

const CLIENTS = 4;

let folder: string;
let vllm: Vllm;
let service: TestService;
let tess: Caller;

beforeAll(async () => {
  const models = engine('MATIH_VLLM_MODELS');
  folder = await mkdtemp(join(tmpdir(), 'matih-adapters-'));
  for (const name of ['adapter1', 'adapter2'])
    await cp(join(models, name), join(folder, 'acme', name), { recursive: true });
  vllm = await Vllm.start(engine('MATIH_VLLM_PYTHON'), models);
  service = await startTestService({ VLLM_URL: vllm.url, VLLM_ADAPTER_DIR: folder, ADAPTER_SWEEP_MS: '300' });
  tess = await service.as();
});
afterAll(async () => {
  await service?.close();
  await vllm?.close();
  await rm(folder, { recursive: true, force: true });
});

const served = async () =>
  ((await (await fetch(`${vllm.url}/v1/models`)).json()) as { data: { id: string }[] }).data.map(({ id }) => id);

describe('a real vLLM', () => {
  it('chats and completes, by mutation and as a stream, with its usage', async () => {
    const { endpoint: endpointName } = await serveLanguageModel(tess);
    const input = { endpointName, maxTokens: 12, temperature: 0, messages: [user('Which flights are late?')] };
    const whole = await chat(tess, input);
    expect(whole).toMatchObject({ finishReason: 'LENGTH', usage: { completionTokens: 12 } });
    expect(whole.usage.promptTokens).toBeGreaterThan(5);
    const parts = await tess.collect(ChatStreamDetailsDocument, { input }, (items) =>
      items.some(({ finishReason }) => finishReason !== null),
    );
    // Greedy: the same text.
    expect(parts.map(({ text }) => text).join('')).toBe(whole.text);
    expect(parts.length).toBeGreaterThan(3);
    const { complete } = await tess.ok(CompleteDetailsDocument, {
      input: { endpointName, prompt: 'The quick brown', maxTokens: 4 },
    });
    expect(complete.usage.completionTokens).toBe(4);
  });

  it('ends its work when the caller cancels in the middle', async () => {
    const { endpoint: endpointName } = await serveLanguageModel(tess);
    const input = { endpointName, messages: [user('Go on')], maxTokens: 480, stop: [] };
    await tess.collect(ChatStreamDetailsDocument, { input }, (items) => items.length === 5);
    await expect.poll(() => vllm.metric('vllm:num_requests_running'), { timeout: 10_000 }).toBe(0);
    const generated = await vllm.metric('vllm:generation_tokens_total');
    await sleep(1_000);
    expect(await vllm.metric('vllm:generation_tokens_total')).toBe(generated);
  });

  it('refuses wrong values as the caller’s fault, naming the field', async () => {
    const { endpoint: endpointName } = await serveLanguageModel(tess);
    const messages = [user('x')];
    const schema = { type: 'json_schema', json_schema: { name: 'x', schema: { type: 'nonsense' } } };
    const cases = [
      [{ messages, maxTokens: 99_999 }, 'input.maxTokens'],
      [{ messages: [user('The quick brown fox. '.repeat(400))] }, 'input.messages'],
      [{ messages, responseFormat: schema }, 'input.responseFormat'],
    ] as const;
    for (const [input, field] of cases) {
      const error = await tess.fails(ChatDetailsDocument, { input: { endpointName, ...input } });
      expect(error.extensions, field).toMatchObject({ code: 'BAD_USER_INPUT', field });
    }
  });

  it('serves adapters by deployment: loaded, asked, and unloaded at the end', async () => {
    const { modelId, endpointId, endpoint } = await languageWorld(tess);
    const first = await languageVersion(tess, modelId, { name: 'tiny', adapter: 'adapter1' });
    const second = await languageVersion(tess, modelId, { name: 'tiny', adapter: 'adapter2' });
    const one = await deploy(tess, { endpointId, modelVersionId: first });
    const ask = () => chat(tess, { endpointName: endpoint, maxTokens: 16, temperature: 0, messages: [user('Answer')] });
    const answered = await ask();
    expect(answered.deployment.id).toBe(one);
    const two = await deploy(tess, { endpointId, modelVersionId: second, weightBps: 10_000 });
    await expect.poll(async () => (await ask()).deployment.id, { timeout: 10_000 }).toBe(two);
    // The adapters are random: their texts differ.
    expect((await ask()).text).not.toBe(answered.text);
    expect(await served()).toEqual(expect.arrayContaining([`matih-${one}`, `matih-${two}`]));
    await tess.ok(UndeployDetailsDocument, { input: { deploymentId: one } });
    await expect.poll(served, { timeout: 20_000 }).not.toContain(`matih-${one}`);
    expect(await served()).toContain(`matih-${two}`);
  });

  it('is called by the unmodified client of OpenAI, through this service', async () => {
    const { endpoint: model } = await serveLanguageModel(tess);
    const client = new OpenAI({ baseURL: `${service.url}/v1`, apiKey: tess.token, maxRetries: 0 });
    const request = { model, messages: [{ role: 'user' as const, content: 'Hello' }], max_tokens: 6, temperature: 0 };
    const whole = await client.chat.completions.create(request);
    let text = '';
    for await (const { choices } of await client.chat.completions.create({ ...request, stream: true }))
      text += choices[0]?.delta.content ?? '';
    expect(text).toBe(whole.choices[0]!.message.content);
    expect(whole.usage?.completion_tokens).toBe(6);
  });

  it('shows the time to the first token and tokens per second', async () => {
    const one = await serveLanguageModel(tess);
    const many = await serveLanguageModel(tess);
    const ask = (endpointName: string) => chat(tess, { endpointName, maxTokens: 8, messages: [user('Hello')] });
    for (let i = 0; i < 60; i++) await ask(one.endpoint);
    await Promise.all(
      Array.from({ length: CLIENTS }, async () => {
        for (let i = 0; i < 20; i++) await ask(many.endpoint);
      }),
    );
    await printSla(service, tess, 'VLLM, one client, first token', one.deploymentId);
    await printSla(service, tess, `VLLM, ${CLIENTS} clients, first token`, many.deploymentId);
    const minutes = async () => {
      const { deployment } = await tess.ok(LanguageMinuteDetailsDocument, { id: one.deploymentId });
      return deployment.languageMinutes;
    };
    await expect
      .poll(async () => (await minutes()).reduce((sum, { requests }) => sum + requests, 0), { timeout: 10_000 })
      .toBe(60);
    const [minute] = await minutes();
    expect(minute!.firstTokenP95Ms).toBeGreaterThan(0);
    expect(minute!.tokensPerSecond).toBeGreaterThan(1);
  });

  it('is UNAVAILABLE after kill -9, other deployments answer, and it is used again when it is back', async () => {
    const adapted = await serveLanguageModel(tess, { name: 'tiny', adapter: 'adapter1' });
    const local = await makeVersion(service, { bytes: linear([3], 0), signature: xToY(1) });
    const { id: endpointId } = await createEndpoint(tess, { modelId: local.modelId });
    await deploy(tess, { endpointId, modelVersionId: local.versionId });
    const input = { endpointName: adapted.endpoint, messages: [user('x')], maxTokens: 4 };
    await vllm.close();
    for (let i = 0; i < 7; i++) {
      const error = await tess.fails(ChatDetailsDocument, { input });
      expect(error.extensions.code).toBe('UNAVAILABLE');
      expect((await predict(tess, { endpointId, tensors: [x([2])] })).outputs[0]!.data).toEqual([6]);
    }
    await vllm.up();
    const again = () =>
      chat(tess, input).then(
        ({ usage }) => usage.completionTokens,
        () => 0,
      );
    // Its adapter is loaded again, too.
    await expect.poll(again, { timeout: 30_000, interval: 250 }).toBe(4);
  });
});
