import { afterAll, beforeAll, expect, it } from 'vitest';
import { Role } from '../../src/modules/core/rules/principal.js';
import { createModel, promote, register, trainTumours } from '../support/registry.js';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import { ModelVersionDocument } from '../../schema/generated/operations.js';
import {
  DemoteModelVersionDetailsDocument,
  ModelVersionsDetailsDocument,
  PromoteModelVersionForPromotionRaceDocument,
} from '../generated/operations.js';

/** `npm run test:faults` runs 1,000. */
const RACES = Number(process.env['MATIH_FAULT_RACES'] ?? 50);
const OVERRIDE = { override: true, reason: 'two promotions at once' };

let service: TestService;
let ada: Caller;

beforeAll(async () => {
  service = await startTestService();
  ada = await service.as({ role: Role.ADMIN, subject: 'ada' });
});
afterAll(() => service?.close());

it(
  `${RACES} races of two promotions leave one PRODUCTION version each, and CONFLICT for the loser`,
  { timeout: 60_000 + RACES * 1_000 },
  async () => {
    const modelId = await createModel(ada);
    const { runId } = await trainTumours(ada);
    const ids: string[] = [];
    for (let i = 0; i < 3; i++) ids.push((await register(ada, { modelId, runId })).id);
    let production: string | null = null;
    let won = 0;
    let conflicts = 0;
    const others: string[] = [];
    const startedAt = performance.now();
    for (let race = 0; race < RACES; race++) {
      // The third version is in production from the first race on; the other two, back in DEVELOPMENT, compete for its
      // place.
      const rivals: string[] = ids.filter((id) => id !== production).slice(0, 2);
      for (const id of rivals) {
        const { modelVersion } = await ada.ok(ModelVersionDocument, {
          id,
        });
        if (modelVersion.stage === 'ARCHIVED')
          await ada.ok(DemoteModelVersionDetailsDocument, { input: { modelVersionId: id } });
        if (modelVersion.stage !== 'STAGING') await promote(ada, id, 'STAGING', OVERRIDE);
      }
      const answers = await Promise.all(
        rivals.map((modelVersionId) =>
          ada.send(PromoteModelVersionForPromotionRaceDocument, {
            input: { modelVersionId, toStage: 'PRODUCTION', expectedProductionVersionId: production, ...OVERRIDE },
          }),
        ),
      );
      const winners = answers.flatMap(({ data }) =>
        data?.promoteModelVersion ? [data.promoteModelVersion.modelVersion.id] : [],
      );
      for (const { errors } of answers) {
        if (errors?.[0]?.extensions.code === 'CONFLICT') conflicts++;
        else if (errors) others.push(JSON.stringify(errors[0]));
      }
      const { modelVersions } = await ada.ok(ModelVersionsDetailsDocument, {
        filter: { modelId, stage: ['PRODUCTION'] },
      });
      expect(winners, others.join('\n')).toHaveLength(1);
      expect(modelVersions.nodes.map(({ id }) => id)).toEqual(winners);
      production = winners[0]!;
      won++;
    }
    const seconds = (performance.now() - startedAt) / 1000;
    console.log(
      `promotion race: ${RACES} races, ${won} with exactly one PRODUCTION version, ${conflicts} losers with ` +
        `CONFLICT, ${others.length} other errors, ${seconds.toFixed(1)} s`,
    );
    expect({ won, conflicts, others }).toEqual({ won: RACES, conflicts: RACES, others: [] });
  },
);
