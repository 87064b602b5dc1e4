import { accessChapter, groundTruthChapter } from './guide/access.js';
import { comparisonChapter } from './guide/comparison.js';
import { Guide } from './guide/recorder.js';
import { exchangeChapter } from './guide/exchange.js';
import { loggedModelsChapter } from './guide/logged-models.js';
import { eventsChapter, monitoringChapter } from './guide/monitoring.js';
import { agreementChapter } from './guide/registry-depth.js';
import { runLifeChapter } from './guide/run-life.js';
import { historyChapter, registryChapter } from './guide/registry.js';
import { scriptingChapter } from './guide/scripting.js';
import { servingChapter, splitChapter } from './guide/serving.js';
import { datasetChapter, trackingChapter, trainingChapter } from './guide/tracking.js';
import { webhooksChapter } from './guide/webhooks.js';
import type { TestService } from './service.js';

const INTRODUCTION = `# API guide

Every common task as a GraphQL document with its answer. The documents are the files of [schema/operations](../schema/operations): copy them, or send them as they are. A test runs this whole page, in order, against a real service; \`UPDATE_DOCS=1 npx vitest run --project api test/api/documents.test.ts\` writes it anew.

Send documents to \`POST /graphql\` with the header \`Authorization: Bearer $TOKEN\`,
  or try them in GraphiQL at \`/graphiql\`. Answers below are what stands in \`data\`,
    errors what stands in \`errors[0]\`; ids, times
      and measured milliseconds are replaced by words in angle brackets. What errors mean
        and what to do about them: [errors](errors.md). What the words mean: [concepts](concepts.md).`;

/** Runs the operations of the guide on a service and returns the page. */
export async function writeGuide(service: TestService): Promise<Guide> {
  const guide = await Guide.on(service);
  guide.say(INTRODUCTION);
  const { experimentId } = await trackingChapter(guide);
  const { datasetId } = await datasetChapter(guide);
  const { runId } = await trainingChapter(guide, { experimentId, datasetId });
  await runLifeChapter(guide, { datasetId });
  const registry = await registryChapter(guide, { runId });
  const { endpointId, productionVersionId } = await servingChapter(guide, { ...registry, experimentId, datasetId });
  await scriptingChapter(guide, { ...registry, versionId: productionVersionId });
  await splitChapter(guide, registry, productionVersionId);
  await monitoringChapter(guide, { modelId: registry.modelId, endpointId });
  await groundTruthChapter(guide);
  await historyChapter(guide, registry);
  await agreementChapter(guide, registry);
  await comparisonChapter(guide, { versionId: productionVersionId });
  await eventsChapter(guide, registry);
  await webhooksChapter(guide, registry);
  await accessChapter(guide);
  await loggedModelsChapter(guide);
  await exchangeChapter(guide, { experimentId });
  return guide;
}
