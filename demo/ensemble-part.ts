import {
  BestTrialsDocument,
  CreateEnsembleDocument,
  CreateModelDocument,
  EnsembleDocument,
  EnsembleOfJobDocument,
  RegisterModelVersionDocument,
  type EnsembleQuery,
} from '../schema/generated/operations.ts';
import { Part } from './part.ts';
import { interval, round } from './views.ts';
import { must, type Figures } from './walk.ts';

/** At most so many of the best trials are members: a tuning may have stopped the others early. */
const MEMBERS = 3;
const LOSS = 'log_loss';

type Metrics = NonNullable<EnsembleQuery['modelVersion']['ensemble']>['metrics'];

/** One model of the best tuned ones. */
export class EnsemblePart extends Part {
  async combine(): Promise<Figures> {
    const { api, terminal } = this.options;
    const { studyId } = this.state;
    const { trials } = await api.request(BestTrialsDocument, { studyId, first: MEMBERS });
    must(trials.nodes.length >= 2, 'the tuning has fewer than two complete trials');
    const { createModel } = await api.request(CreateModelDocument, {
      input: {
        name: `${this.state.modelName}-ensemble`,
        task: 'CLASSIFICATION',
        modelType: 'ensemble',
        framework: 'onnx',
        description: 'The best tuned models of late flights, and their mean.',
      },
    });
    const modelId = createModel.model.id;
    const members: { modelVersionId: string }[] = [];
    for (const { runs } of trials.nodes) {
      const { registerModelVersion } = await api.request(RegisterModelVersionDocument, {
        modelId,
        runId: runs[0]?.run?.id ?? '',
      });
      members.push({ modelVersionId: registerModelVersion.modelVersion.id });
    }
    const { createEnsemble } = await api.request(CreateEnsembleDocument, {
      input: { modelId, method: 'SOFT_VOTING', members },
    });
    await this.awaitJob(createEnsemble.job.id);
    const { job } = await api.request(EnsembleOfJobDocument, { jobId: createEnsemble.job.id });
    must(job.outcome !== null && 'modelVersionId' in job.outcome, 'the ensemble has no version');
    const { modelVersion } = await api.request(EnsembleDocument, { modelVersionId: job.outcome.modelVersionId });
    const { ensemble } = modelVersion;
    must(ensemble != null && ensemble.againstBest != null, 'the ensemble was not measured');
    const lossOf = (metrics: Metrics) => {
      const found = metrics.find(({ name }) => name === LOSS);
      must(found !== undefined, 'the log loss is missing');
      return [found.value.toFixed(4), interval(found.low ?? null, found.high ?? null)];
    };
    terminal.table([
      ['holdout', 'log loss', '95 % interval', 'without it'],
      [`ensemble (version ${modelVersion.version})`, ...lossOf(ensemble.metrics), ''],
      ...ensemble.members.map(({ name, metrics, contribution }) => [
        name,
        ...lossOf(metrics),
        `${(contribution ?? 0) >= 0 ? '+' : ''}${(contribution ?? 0).toFixed(5)}`,
      ]),
    ]);
    const { member, difference, low, high, verdict } = ensemble.againstBest;
    terminal.note(`against ${member}, its best member: difference ${difference.toFixed(5)} (${interval(low, high)})`);
    must(verdict !== 'WORSE', `the ensemble is provably worse than ${member}: the difference begins at ${low}`);
    return {
      members: members.length,
      rows: ensemble.measuredRows,
      logLoss: round(ensemble.againstBest.ensemble),
      bestMember: round(ensemble.againstBest.best),
      verdict,
    };
  }
}
