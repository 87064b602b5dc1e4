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
    gate: p.enum(['EVALUATION', 'VALIDATION', 'SHADOW', 'AB_TEST']),
    passed: p.boolean(),
    checks: p.json<GateCheck[]>(),
    /** The conditions of the gate when it was decided; null for results from the time before gate policies. */
    demands: p.json<Record<string, unknown>>().nullable(),
    /** The version in production with which it was compared. */
    comparedWithId: p.uuid().nullable(),
    createdBy: p.text(),
  },
});
export type GateResult = InferEntity<typeof GateResult>;
