import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Role } from '../../src/modules/core/rules/principal.js';
import { chat, languageVersion, languageWorld, serveLanguageModel, user } from '../support/language-models.js';
import { type Caller, startTestService, type TestService } from '../support/service.js';
import { createEndpoint, deploy, makeVersion, untilReady, xToY } from '../support/serving.js';
import { linear } from '../fixtures/models/build.js';
import { TextServer } from '../support/text-server.js';
import { SetTrafficWeightsDocument } from '../../schema/generated/operations.js';
import {
  ChatDetailsDocument,
  ChatStreamDetailsDocument,
  CompleteDetailsDocument,
  CompleteStreamDetailsDocument,
  DeployModelVersionDetailsDocument,
  DeploymentDetailsDocument,
  LanguageMinuteDetailsDocument,
  LoggedPromptDetailsDocument,
  PredictDetailsDocument,
  RegisterLanguageModelDocument,
  SetPromptLoggingDetailsDocument,
  SetTokenBudgetDetailsDocument,
  TokenBudgetDetailsDocument,
  UndeployDetailsDocument,
} from '../generated/operations.js';

let peer: TextServer;
let service: TestService;
let tess: Caller;
let admin: Caller;

beforeAll(async () => {
  peer = await TextServer.start();
  service = await startTestService({
    VLLM_URL: peer.url,
    VLLM_API_KEY: 'sk-secret',
    VLLM_ADAPTER_DIR: '/adapters',
    LLM_FIRST_TOKEN_MS: '4000',
    LLM_SILENCE_MS: '2000',
    ADAPTER_SWEEP_MS: '300',
  });
  tess = await service.as();
  admin = await service.as({ role: Role.ADMIN });
});
afterAll(async () => {
  await service?.close();
  await peer?.close();
});

describe('chat and completion', () => {
  it('answer with text, usage and times, by the version that the weights choose', async () => {
    const { endpoint, deploymentId, versionId } = await serveLanguageModel(tess);
    const answer = await chat(tess, {
      endpointName: endpoint,
      messages: [{ role: 'system', content: 'Be short.' }, user('Count')],
      maxTokens: 3,
      temperature: 0,
      stop: ['five'],
      seed: 7,
      requestId: 'mine',
    });
    expect(answer).toMatchObject({
      requestId: 'mine',
      text: 'One two three',
      finishReason: 'LENGTH',
      usage: { promptTokens: 7, completionTokens: 3 },
      deployment: { id: deploymentId },
      modelVersion: { id: versionId },
    });
    expect(answer.firstTokenMs).toBeGreaterThan(0);
    expect(answer.latencyMs).toBeGreaterThanOrEqual(answer.firstTokenMs!);
    expect(peer.asked.at(-1)).toMatchObject({
      path: '/v1/chat/completions',
      key: 'Bearer sk-secret',
      model: 'tiny',
      body: {
        messages: [{ role: 'system', content: 'Be short.' }, user('Count')],
        ...{ max_tokens: 3, temperature: 0, stop: ['five'], seed: 7, n: 1, stream: true },
      },
    });
    const input = { endpointName: endpoint, prompt: 'Count' };
    const { complete } = await tess.ok(CompleteDetailsDocument, { input });
    expect(complete).toMatchObject({ text: 'One two three ann@example.org four', finishReason: 'STOP' });
    expect(peer.asked.at(-1)).toMatchObject({ path: '/v1/completions', body: { prompt: 'Count' } });
    const parts = await tess.collect(CompleteStreamDetailsDocument, { input }, (items) => items.length === 5);
    expect(parts.map(({ text }) => text).join('')).toBe('One two three ann@example.org four');
  });

  it('stream part by part, and end at the server when nobody reads any more', async () => {
    const { endpoint } = await serveLanguageModel(tess);
    const input = { endpointName: endpoint, messages: [user('go on ENDLESS')] };
    const parts = await tess.collect(ChatStreamDetailsDocument, { input }, (items) => items.length === 20);
    expect(parts[0]).toMatchObject({ text: '', finishReason: null, firstTokenMs: null });
    expect(parts.at(-1)).toMatchObject({ text: ' ann@example.org', usage: { promptTokens: 7, completionTokens: 19 } });
    await expect.poll(() => peer.running, { timeout: 2_000 }).toBe(0);
  });

  it('follow the weights of a canary, and a key keeps its version', async () => {
    const { endpointId, endpoint, modelId, deploymentId } = await serveLanguageModel(tess);
    const second = await languageVersion(tess, modelId, { name: 'other' });
    const canary = await deploy(tess, { endpointId, modelVersionId: second, weightBps: 3_000 });
    const ask = async (routingKey: string) => (await chat(tess, { endpointName: endpoint, routingKey })).deployment.id;
    const served: string[] = [];
    for (let from = 0; from < 100; from += 10)
      served.push(...(await Promise.all(Array.from({ length: 10 }, (_, i) => ask(`user-${from + i}`)))));
    const share = served.filter((id) => id === canary).length;
    expect(share).toBeGreaterThan(10);
    expect(share).toBeLessThan(55);
    expect(await Promise.all(Array.from({ length: 10 }, (_, i) => ask(`user-${i}`)))).toEqual(served.slice(0, 10));
    await tess.ok(SetTrafficWeightsDocument, {
      endpointId,
      weights: [
        { deploymentId, weightBps: 0 },
        { deploymentId: canary, weightBps: 10_000 },
      ],
    });
    await expect.poll(() => ask('user-1'), { timeout: 3_000 }).toBe(canary);
  });

  it('name the first wrong value, and ask nobody', async () => {
    const { endpoint: endpointName } = await serveLanguageModel(tess);
    const before = peer.asked.length;
    const cases: [Record<string, unknown>, string][] = [
      [{ messages: [] }, 'input.messages'],
      [{ messages: [user('')] }, 'input.messages'],
      [{ messages: [{ role: 'wizard', content: 'x' }] }, 'input.messages[0].role'],
      [{ messages: [user('x'), user('\ud800')] }, 'input.messages[1].content'],
      [{ messages: [user('a\0b')] }, 'input.messages[0].content'],
      [{ messages: Array.from({ length: 1_001 }, () => user('x')) }, 'input.messages'],
      [{ messages: Array.from({ length: 30 }, () => user('x'.repeat(100_000))) }, 'input.messages'],
      [{ maxTokens: 0 }, 'input.maxTokens'],
      [{ maxTokens: 1_000_001 }, 'input.maxTokens'],
      [{ temperature: 2.5 }, 'input.temperature'],
      [{ topP: 0 }, 'input.topP'],
      [{ stop: Array.from({ length: 17 }, () => 'x') }, 'input.stop'],
      [{ stop: ['x'.repeat(201)] }, 'input.stop[0]'],
      [{ presencePenalty: 3 }, 'input.presencePenalty'],
      [{ responseFormat: { schema: '\ud800' } }, 'input.responseFormat.schema'],
      [{ requestId: 'x'.repeat(251) }, 'input.requestId'],
    ];
    for (const [wrong, field] of cases) {
      const input = { endpointName, messages: [user('x')], ...wrong };
      const error = await tess.fails(ChatDetailsDocument, { input });
      expect(error.extensions, JSON.stringify(wrong).slice(0, 80)).toMatchObject({ code: 'BAD_USER_INPUT', field });
    }
    expect(peer.asked.length).toBe(before);
    // More than the context of the model, which only its server knows.
    const error = await tess.fails(ChatDetailsDocument, {
      input: { endpointName, messages: [user('x')], maxTokens: 100_000 },
    });
    expect(error.extensions).toMatchObject({ code: 'BAD_USER_INPUT', param: 'max_tokens' });
  });

  it('and tensors do not mix', async () => {
    const { endpoint } = await serveLanguageModel(tess);
    const wrong = await tess.fails(PredictDetailsDocument, { input: { endpointName: endpoint, rows: [{ x: 1 }] } });
    expect(wrong).toMatchObject({ extensions: { code: 'CONFLICT' } });
    expect(wrong.message).toContain('chat or complete');
    const tensors = await makeVersion(service, { bytes: linear([2], 1), signature: xToY(1) });
    const { id: endpointId } = await createEndpoint(tess, { modelId: tensors.modelId });
    await deploy(tess, { endpointId, modelVersionId: tensors.versionId });
    const other = await tess.fails(ChatDetailsDocument, { input: { endpointId, messages: [user('x')] } });
    expect(other).toMatchObject({ extensions: { code: 'CONFLICT' } });
    expect(other.message).toContain('predict');
    const refused = await tess.fails(RegisterLanguageModelDocument, {
      input: { modelId: tensors.modelId, languageModel: { name: 'tiny' } },
    });
    expect(refused.extensions).toMatchObject({ code: 'CONFLICT', expected: 'a model for TEXT_GENERATION' });
  });

  it('need ENGINEER until the version is in PRODUCTION, and are closed to other tenants', async () => {
    const { endpoint: endpointName, endpointId } = await serveLanguageModel(tess);
    const input = { endpointName, messages: [user('x')] };
    const viewer = await service.as({ role: Role.VIEWER });
    expect((await viewer.fails(ChatDetailsDocument, { input })).extensions.code).toBe('FORBIDDEN');
    const stranger = await service.as({ tenant: 'globex' });
    expect((await stranger.fails(ChatDetailsDocument, { input })).extensions.code).toBe('NOT_FOUND');
    const rule = { endpointId, sampleRate: 1 };
    const logging = await stranger.fails(SetPromptLoggingDetailsDocument, { input: rule });
    expect(logging.extensions.code).toBe('NOT_FOUND');
  });
});

describe('a server that is faulty', () => {
  const faults = [
    ['HANG', 'DEADLINE_EXCEEDED', 2],
    ['HALF', 'UNAVAILABLE', 2],
    ['GARBAGE', 'UNAVAILABLE', 2],
    ['LONGLINE', 'UNAVAILABLE', 2],
    ['ABORTED', 'UNAVAILABLE', 2],
    ['HTML', 'UNAVAILABLE', 0],
    ['MOVED', 'UNAVAILABLE', 0],
    ['FAILS', 'UNAVAILABLE', 0],
    ['LATE', 'DEADLINE_EXCEEDED', 0],
    ['CROWDED', 'RESOURCE_EXHAUSTED', 0],
  ] as const;

  it.each(faults)('%s gives one clear error with %s, and the tokens until then count', async (fault, code, tokens) => {
    const { endpoint: endpointName, endpointId } = await serveLanguageModel(tess);
    await tess.ok(SetPromptLoggingDetailsDocument, { input: { endpointId, sampleRate: 1 } });
    const error = await tess.fails(ChatDetailsDocument, { input: { endpointName, messages: [user(fault)] } });
    expect(error.extensions).toMatchObject({ code });
    if (fault === 'CROWDED') expect(error.extensions['retryAfterMs']).toBe(2_000);
    for (const secret of ['127.0.0.1', String(peer.port), 'sk-secret', '10.0.0.1', '/secret', 'vllm-engine'])
      expect(JSON.stringify(error)).not.toContain(secret);
    const { loggedPrompts } = await tess.ok(LoggedPromptDetailsDocument, { endpointId });
    const [logged] = loggedPrompts.nodes;
    expect(logged).toMatchObject({ errorCode: code, usage: { completionTokens: tokens } });
    // Others are served.
    expect((await chat(tess, { endpointName })).finishReason).toBe('STOP');
  });

  it('refuses a schema in its stream: that is the caller’s fault, and sets nothing aside', async () => {
    const { endpoint: endpointName } = await serveLanguageModel(tess);
    const input = { endpointName, messages: [user('GRAMMAR')], responseFormat: { type: 'json_object' } };
    for (let i = 0; i < 7; i++) {
      const error = await tess.fails(ChatDetailsDocument, { input });
      expect(error.extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.responseFormat' });
      expect(error.message).toContain('Invalid type: nonsense');
    }
    const tooMany = await tess.fails(ChatDetailsDocument, {
      input: { endpointName, messages: [user('x')], maxTokens: 600 },
    });
    expect(tooMany.extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.maxTokens' });
    expect((await chat(tess, { endpointName })).finishReason).toBe('STOP');
  });

  it('sends fields that no standard knows: they are ignored', async () => {
    const { endpoint: endpointName } = await serveLanguageModel(tess);
    expect((await chat(tess, { endpointName, messages: [user('ODDFIELD')] })).text).toContain('One two three');
  });

  it('fails at one model five times: that model is set aside for a while, the other one answers', async () => {
    const faulty = await serveLanguageModel(tess, { name: 'other' });
    const healthy = await serveLanguageModel(tess);
    const input = { endpointName: faulty.endpoint, messages: [user('FAILS')] };
    for (let i = 0; i < 5; i++)
      expect((await tess.fails(ChatDetailsDocument, { input })).message).toContain('status 500');
    const asked = peer.asked.length;
    const aside = await tess.fails(ChatDetailsDocument, { input });
    expect(aside.extensions).toMatchObject({ code: 'UNAVAILABLE', retryAfterMs: expect.any(Number) as number });
    expect(aside.message).toContain('"other" is set aside');
    expect(peer.asked.length).toBe(asked);
    expect((await chat(tess, { endpointName: healthy.endpoint })).finishReason).toBe('STOP');
    const again = () =>
      chat(tess, { endpointName: faulty.endpoint }).then(
        ({ text }) => text.length > 0,
        () => false,
      );
    await expect.poll(again, { timeout: 10_000, interval: 250 }).toBe(true);
  });

  it('sends the error as the last item of a subscription', async () => {
    const { endpoint: endpointName } = await serveLanguageModel(tess);
    const input = { endpointName, messages: [user('HALF')] };
    const seen: string[] = [];
    const failed = tess.collect(ChatStreamDetailsDocument, { input }, (items) => {
      seen.push(items.at(-1)!.text);
      return false;
    });
    await expect(failed).rejects.toThrow('UNAVAILABLE');
    expect(seen.join('')).toBe('One two');
  });

  it('that is away fails the deployment with a sentence, and leaves the old one serving', async () => {
    const { endpointId, endpoint: endpointName, modelId, deploymentId } = await serveLanguageModel(tess);
    const missing = await languageVersion(tess, modelId, { name: 'nope' });
    const { deployModelVersion } = await tess.ok(DeployModelVersionDetailsDocument, {
      input: { endpointId, modelVersionId: missing, mode: 'LIVE', weightBps: 10_000, waitMs: 10_000 },
    });
    const { deployment } = await tess.ok(DeploymentDetailsDocument, { id: deployModelVersion.deployment.id });
    expect(deployment).toMatchObject({ status: 'FAILED' });
    expect(deployment.error).toBe('The server of language models has no model "nope"; it has "tiny", "other".');
    expect((await chat(tess, { endpointName })).deployment.id).toBe(deploymentId);
    const shadow = await tess.fails(DeployModelVersionDetailsDocument, {
      input: { endpointId, modelVersionId: missing, mode: 'SHADOW' },
    });
    expect(shadow.extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.mode' });
  });
});

describe('the limits of a deployment', () => {
  async function limited(limits: Record<string, number>): Promise<string> {
    const { endpoint, endpointId, modelId } = await languageWorld(tess);
    const modelVersionId = await languageVersion(tess, modelId, { name: 'tiny' });
    const { deployModelVersion } = await tess.ok(DeployModelVersionDetailsDocument, {
      input: { endpointId, modelVersionId, mode: 'LIVE', limits },
    });
    await untilReady(tess, deployModelVersion.deployment.id);
    return endpoint;
  }

  it('hold for texts: what finds no room is refused, and a caller who leaves gives the room back', async () => {
    const endpointName = await limited({ concurrency: 1, queueRows: 0 });
    const leaving = new AbortController();
    const query = ChatDetailsDocument.toString();
    const left = fetch(`${service.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${tess.token}` },
      body: JSON.stringify({ query, variables: { input: { endpointName, messages: [user('LATE')] } } }),
      signal: leaving.signal,
    }).catch(() => 'left');
    await expect.poll(() => peer.running, { timeout: 5_000 }).toBe(1);
    const full = await tess.fails(ChatDetailsDocument, { input: { endpointName, messages: [user('x')] } });
    expect(full.extensions).toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      retryAfterMs: expect.any(Number) as number,
    });
    leaving.abort();
    expect(await left).toBe('left');
    // Sooner than the first token would be given up.
    await expect.poll(() => peer.running, { timeout: 2_000 }).toBe(0);
    const again = () =>
      chat(tess, { endpointName }).then(
        () => true,
        () => false,
      );
    await expect.poll(again, { timeout: 2_000 }).toBe(true);
  });

  it('end an answer that takes too long as a whole', async () => {
    const endpointName = await limited({ deadlineMs: 600 });
    const error = await tess.fails(ChatDetailsDocument, { input: { endpointName, messages: [user('x ENDLESS')] } });
    expect(error.extensions).toMatchObject({ code: 'DEADLINE_EXCEEDED', expected: 'an answer within 600 ms' });
    await expect.poll(() => peer.running, { timeout: 2_000 }).toBe(0);
  });
});

describe('adapters', () => {
  it('are loaded for their deployment, loaded again after a loss, and unloaded after its end', async () => {
    const {
      endpointId,
      endpoint: endpointName,
      deploymentId,
    } = await serveLanguageModel(tess, {
      name: 'tiny',
      adapter: 'support/v3',
    });
    const name = `matih-${deploymentId}`;
    expect(peer.adapters.get(name)).toBe('/adapters/acme/support/v3');
    await chat(tess, { endpointName });
    expect(peer.asked.at(-1)!.model).toBe(name);
    // A server that was started anew has none.
    peer.adapters.clear();
    await chat(tess, { endpointName });
    expect(peer.adapters.has(name)).toBe(true);
    peer.adapters.set('matih-0190a5b2-0000-7000-8000-000000000000', '/of/another/service');
    await tess.ok(UndeployDetailsDocument, { input: { deploymentId } });
    await expect.poll(() => peer.adapters.has(name), { timeout: 20_000, interval: 200 }).toBe(false);
    expect(peer.adapters.size).toBe(1);
    expect(endpointId).toBeTruthy();
  });

  it('that cannot be loaded say so without the path', async () => {
    const { endpointId, modelId } = await languageWorld(tess);
    const modelVersionId = await languageVersion(tess, modelId, { name: 'tiny', adapter: 'missing' });
    const { deployModelVersion } = await tess.ok(DeployModelVersionDetailsDocument, {
      input: { endpointId, modelVersionId, mode: 'LIVE', waitMs: 10_000 },
    });
    const { deployment } = await tess.ok(DeploymentDetailsDocument, { id: deployModelVersion.deployment.id });
    expect(deployment.status).toBe('FAILED');
    expect(deployment.error).toContain('adapter');
    expect(deployment.error).not.toContain('/adapters');
    for (const adapter of ['../globex/x', '/etc', 'a/../../b', '.hidden', ''])
      expect(
        (
          await tess.fails(RegisterLanguageModelDocument, {
            input: { modelId, languageModel: { name: 'tiny', adapter } },
          })
        ).extensions.code,
        adapter,
      ).toBe('INVALID_PATH');
  });
});

describe('what is counted and logged', () => {
  it('a tenant that has used its tokens is told when they renew', async () => {
    const own = await service.as({ tenant: 'thrifty' });
    const ownAdmin = await service.as({ tenant: 'thrifty', role: Role.ADMIN });
    const { endpoint: endpointName } = await serveLanguageModel(own);
    const set = (tokensPerDay: number | null) =>
      ownAdmin.ok(SetTokenBudgetDetailsDocument, { input: { tokensPerDay } });
    await set(30);
    // 7 of the prompt and 5 of the answer, each.
    for (let i = 0; i < 3; i++) await chat(own, { endpointName });
    const { tokenBudget } = await own.ok(TokenBudgetDetailsDocument);
    expect(tokenBudget).toMatchObject({ tokensPerDay: 30, usedTokens: 36 });
    const refused = await own.fails(ChatDetailsDocument, { input: { endpointName, messages: [user('x')] } });
    expect(refused.extensions).toMatchObject({ code: 'RESOURCE_EXHAUSTED', renewsAt: tokenBudget.renewsAt });
    expect(
      Math.abs(new Date(tokenBudget.renewsAt).getTime() - Date.now() - Number(refused.extensions['retryAfterMs'])),
    ).toBeLessThan(10_000);
    expect((await own.fails(SetTokenBudgetDetailsDocument, { input: { tokensPerDay: 1 } })).extensions.code).toBe(
      'FORBIDDEN',
    );
    await set(1_000);
    await expect
      .poll(
        async () => (await own.send(ChatDetailsDocument, { input: { endpointName, messages: [user('x')] } })).errors,
        { timeout: 3_000 },
      )
      .toBeUndefined();
    await set(null);
    expect((await own.ok(TokenBudgetDetailsDocument)).tokenBudget).toMatchObject({
      tokensPerDay: null,
      usedTokens: 48,
    });
    // Other tenants are not concerned.
    const { endpoint: others } = await serveLanguageModel(tess);
    await chat(tess, { endpointName: others });
  });

  it('answers that run count against the budget before they end', async () => {
    const own = await service.as({ tenant: 'parallel' });
    const ownAdmin = await service.as({ tenant: 'parallel', role: Role.ADMIN });
    const { endpoint: endpointName } = await serveLanguageModel(own);
    await ownAdmin.ok(SetTokenBudgetDetailsDocument, { input: { tokensPerDay: 300 } });
    peer.tokenMs = 50;
    try {
      const input = { endpointName, messages: [user('x')], maxTokens: 100 };
      const sent = await Promise.all(Array.from({ length: 20 }, () => own.send(ChatDetailsDocument, { input })));
      expect(sent.filter(({ errors }) => !errors).length).toBe(3);
    } finally {
      peer.tokenMs = 0;
    }
  });

  it('tokens and times, minute by minute', async () => {
    const { endpoint: endpointName, deploymentId } = await serveLanguageModel(tess);
    peer.tokenMs = 20;
    try {
      for (let i = 0; i < 3; i++) await chat(tess, { endpointName });
    } finally {
      peer.tokenMs = 0;
    }
    await tess.send(ChatDetailsDocument, { input: { endpointName, messages: [user('HALF')] } });
    const minutes = async () =>
      (await tess.ok(LanguageMinuteDetailsDocument, { id: deploymentId })).deployment.languageMinutes;
    const sum = async (field: 'requests' | 'errors' | 'promptTokens' | 'completionTokens') =>
      (await minutes()).reduce((total, minute) => total + minute[field], 0);
    await expect.poll(() => sum('requests'), { timeout: 5_000 }).toBe(4);
    await expect.poll(() => sum('completionTokens'), { timeout: 5_000 }).toBe(17);
    expect([await sum('errors'), await sum('promptTokens')]).toEqual([1, 28]);
    const [minute] = await minutes();
    expect(minute!.tokensPerSecond).toBeGreaterThan(5);
    expect(minute!.tokensPerSecond).toBeLessThan(60);
    expect(minute!.firstTokenP95Ms).toBeGreaterThan(15);
  });

  it('tokens that the database could not take are added later, once', async () => {
    const { endpoint: endpointName, deploymentId } = await serveLanguageModel(tess);
    const client = new pg.Client({ connectionString: service.database.url });
    await client.connect();
    const { texts } = service.app.context.services;
    try {
      await client.query('alter table language_minute rename to language_minute_away');
      await chat(tess, { endpointName });
      // It logs the failure, and tries again later.
      await texts.flush();
    } finally {
      await client.query('alter table language_minute_away rename to language_minute');
      await client.end();
    }
    await texts.flush();
    await texts.flush();
    const { deployment } = await tess.ok(LanguageMinuteDetailsDocument, { id: deploymentId });
    const [minute, ...others] = deployment.languageMinutes.filter(({ promptTokens }) => promptTokens > 0);
    expect(others).toEqual([]);
    expect(minute).toMatchObject({ promptTokens: 7, completionTokens: 5 });
  });

  it('nothing unless asked for; then a sample, without what is secret', async () => {
    const { endpoint: endpointName, endpointId } = await serveLanguageModel(tess);
    const secret = 'Call +49 30 1234567 or write to bob@example.com, card 4111 1111 1111 1111, order 12345';
    await chat(tess, { endpointName, messages: [user(secret)] });
    const logged = async () => (await tess.ok(LoggedPromptDetailsDocument, { endpointId })).loggedPrompts;
    expect((await logged()).totalCount).toBe(0);
    const { setPromptLogging } = await tess.ok(SetPromptLoggingDetailsDocument, {
      input: { endpointId, sampleRate: 1, redactAnswer: [] },
    });
    expect(setPromptLogging.promptLogging).toEqual({
      sampleRate: 1,
      redactPrompt: ['EMAIL', 'CARD', 'PHONE'],
      redactAnswer: [],
    });
    await expect
      .poll(
        async () => {
          await chat(tess, { endpointName, messages: [user(secret)], requestId: 'logged' });
          return (await logged()).totalCount;
        },
        { timeout: 5_000 },
      )
      .toBeGreaterThan(0);
    const [row] = (await logged()).nodes;
    expect(row).toMatchObject({
      requestId: 'logged',
      messages: [user('Call [PHONE] or write to [EMAIL], card [CARD], order 12345')],
      prompt: null,
      answer: 'One two three ann@example.org four',
      finishReason: 'STOP',
      errorCode: null,
      usage: { promptTokens: 7, completionTokens: 5 },
    });
    // A secret at the place where a long prompt is cut is whole when it is looked for.
    const messages = [user('x'.repeat(99_995)), user('ann@example.org')];
    await chat(tess, { endpointName, messages, requestId: 'long' });
    const [long] = (await logged()).nodes;
    expect(long!.requestId).toBe('long');
    expect(long!.messages![1]!.content).toBe('[EMAI');
    const viewer = await service.as({ role: Role.VIEWER });
    expect((await viewer.fails(LoggedPromptDetailsDocument, { endpointId })).extensions.code).toBe('FORBIDDEN');
    await admin.ok(SetPromptLoggingDetailsDocument, { input: { endpointId, sampleRate: 0 } });
  });
});

it('a version of a language model is READY at once, and only its server can serve it', async () => {
  const { modelId } = await languageWorld(tess);
  const { registerModelVersion } = await tess.ok(RegisterLanguageModelDocument, {
    input: { modelId, languageModel: { name: 'tiny', adapter: 'a' } },
  });
  expect(registerModelVersion.modelVersion).toMatchObject({
    status: 'READY',
    languageModel: { name: 'tiny', adapter: 'a' },
    model: { task: 'TEXT_GENERATION' },
  });
  const { id: endpointId } = await createEndpoint(tess, { modelId });
  const modelVersionId = registerModelVersion.modelVersion.id;
  const refused = await tess.fails(DeployModelVersionDetailsDocument, {
    input: { endpointId, modelVersionId, mode: 'LIVE', runtime: 'ONNX' },
  });
  expect(refused.extensions.code).toBe('CONFLICT');
  expect(refused.message).toContain('language model');
  await untilReady(tess, await deploy(tess, { endpointId, modelVersionId }));
});
