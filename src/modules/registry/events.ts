import { z } from 'zod';
import { defineEvents } from '../platform/index.js';

export const REGISTRY_EVENTS = defineEvents({
  MODEL_CREATED: {
    about: 'A model was created; it has no versions yet.',
    payload: z.object({ modelName: z.string(), description: z.string(), tags: z.record(z.string(), z.string()) }),
  },
  MODEL_REGISTERED: {
    about: 'A model version was registered.',
    payload: z.object({
      modelName: z.string(),
      version: z.int(),
      semanticVersion: z.string(),
      runId: z.guid().nullable(),
      sourceUri: z.string().nullable(),
      description: z.string(),
      tags: z.record(z.string(), z.string()),
    }),
  },
  MODEL_CONVERTED: {
    about: 'A version of another framework was converted: it has a model.onnx that gives the same answers.',
  },
  MODEL_STAGE_CHANGED: { about: 'A version moved to another stage.' },
  MODEL_TAG_CHANGED: {
    about: 'A tag of a model or a version was set or deleted (`value` null).',
    // The version is null for a tag of the model.
    payload: z.object({
      modelName: z.string(),
      version: z.int().nullable(),
      key: z.string(),
      value: z.string().nullable(),
    }),
  },
  MODEL_ALIAS_CHANGED: {
    about: 'An alias was set to a version, or removed (payload: version null).',
    payload: z.object({
      modelName: z.string(),
      alias: z.string(),
      version: z.int().nullable(),
      previousVersionId: z.guid().nullable(),
      by: z.string(),
    }),
  },
  MODEL_APPROVED: {
    about: 'A person approved the next stage of a version; the payload has the number of approvals.',
  },
  MODEL_REJECTED: { about: 'A person rejected the next stage of a version, which blocks its promotion.' },
  MODEL_COMMENTED: {
    about: 'A person commented on a model or a version; the payload has the id and the first words of the comment.',
  },
});
