import { defineEntity, type InferEntity, p } from '@mikro-orm/core';
import { v7 as uuidv7 } from 'uuid';
import type { GateCheck } from '../../../modules/registry/index.js';

export const GateResult = defineEntity({
  name: 'GateResult',
  tableName: 'gate_result',
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => uuidv7()),
    tenant: p.text(),
    createdAt: p.datetime().onCreate(() => new Date()),
    modelVersionId: p.uuid(),
    gate: p.enum(['EVALUATION', 'VALIDATION', 'SHADOW']),
    passed: p.boolean(),
    checks: p.json<GateCheck[]>(),
    /** What the gate's policy demanded then; null for the defaults of a service that had no others. */
    demands: p.json<Record<string, unknown>>().nullable(),
    /** The version that was in production, when it was measured against that. */
    comparedWithId: p.uuid().nullable(),
    createdBy: p.text(),
  },
});
export type GateResult = InferEntity<typeof GateResult>;
