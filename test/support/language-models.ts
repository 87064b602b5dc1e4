import { CreateModelDocument } from '../../schema/generated/operations.js';
import { ChatDetailsDocument, RegisterLanguageModelDocument } from '../generated/operations.js';
import type { Caller } from './service.js';
import { createEndpoint, deploy } from './serving.js';

let made = 0;

export interface LanguageWorld {
  modelId: string;
  endpointId: string;
  endpoint: string;
}

/** A new model for texts and its endpoint, without a version. */
export async function languageWorld(caller: Caller): Promise<LanguageWorld> {
  const name = `writer-${++made}-${Date.now()}`;
  const { createModel } = await caller.ok(CreateModelDocument, {
    input: { name, modelType: 'LLM', framework: 'transformers', task: 'TEXT_GENERATION' },
  });
  const modelId = createModel.model.id;
  const { id, name: endpoint } = await createEndpoint(caller, { modelId, name });
  return { modelId, endpointId: id, endpoint };
}

export async function languageVersion(
  caller: Caller,
  modelId: string,
  languageModel: { name: string; adapter?: string },
): Promise<string> {
  const { registerModelVersion } = await caller.ok(RegisterLanguageModelDocument, {
    input: { modelId, languageModel },
  });
  return registerModelVersion.modelVersion.id;
}

/** A new endpoint with this language model, live. */
export async function serveLanguageModel(
  caller: Caller,
  languageModel: { name: string; adapter?: string } = { name: 'tiny' },
): Promise<LanguageWorld & { versionId: string; deploymentId: string }> {
  const world = await languageWorld(caller);
  const versionId = await languageVersion(caller, world.modelId, languageModel);
  const deploymentId = await deploy(caller, { endpointId: world.endpointId, modelVersionId: versionId });
  return { ...world, versionId, deploymentId };
}

export const user = (content: string) => ({ role: 'user', content });

export async function chat(caller: Caller, input: { endpointName: string } & Record<string, unknown>) {
  return (await caller.ok(ChatDetailsDocument, { input: { messages: [user('Hello')], ...input } })).chat;
}
