import {
  CreateExperimentDocument,
  FollowStudyDocument,
  SearchDatasetsDocument,
  StartTuningDocument,
  StudyDocument,
  type FollowStudySubscription,
} from '../schema/generated/operations.ts';
import { Part } from './part.ts';
import { FEATURES } from './training-part.ts';
import { bar, sparkline } from './terminal.ts';
import { round } from './views.ts';
import { must, type Figures } from './walk.ts';

const TRIALS = 12;

type Update = FollowStudySubscription['trialUpdates'];

/** Twelve short trainings of boosted trees with different hyperparameters. */
export class TuningPart extends Part {
  async tune(): Promise<Figures> {
    const { api, terminal, suffix } = this.options;
    const { createExperiment } = await api.request(CreateExperimentDocument, {
      name: `Late flights, tuned${suffix}`,
      description: 'Which hyperparameters of boosted trees are best?',
    });
    const { datasets } = await api.request(SearchDatasetsDocument, {
      filter: { search: this.state.datasetName, latestOnly: true },
    });
    const [dataset] = datasets.nodes;
    must(dataset !== undefined, 'the dataset is not found');
    const { startTuning } = await api.request(StartTuningDocument, {
      input: {
        experimentId: createExperiment.experiment.id,
        datasetId: dataset.id,
        name: 'boosted trees',
        config: {
          algorithm: 'BOOSTED_TREES_CLASSIFIER',
          target: { column: 'delay', greaterThan: 15 },
          features: FEATURES,
          split: { by: 'TIME', column: 'date', validation: 0.15, holdout: 0.15 },
          sampleRows: 30_000,
          hyperparameters: { epochs: 40 },
          checkpointEveryEpochs: 20,
          seed: 7,
        },
        pruner: { kind: 'ASHA', minSteps: 10, reduction: 3 },
        stop: { maxTrials: TRIALS },
        parallelTrials: 2,
        seed: 7,
      },
    });
    const studyId = startTuning.study.id;
    this.state.studyId = studyId;
    const trials = new Map<number, Update>();
    await api.follow(FollowStudyDocument, { studyId, after: 0 }, (update) => {
      trials.set(update.number, update);
      terminal.live(linesOf(trials));
      return false;
    });
    const { study } = await api.request(StudyDocument, { id: studyId });
    must(study.status === 'COMPLETED', `the study is ${study.status}: ${study.reason ?? 'no reason given'}`);
    const { bestTrial, trialCounts } = study;
    must(bestTrial !== null && bestTrial !== undefined, 'no trial has a result');
    terminal.table([
      ['trial', 'validation log loss', 'status', ...Object.keys(bestTrial.params as object)],
      ...[...trials.values()]
        .toSorted((a, b) => valueOf(a) - valueOf(b))
        .slice(0, 5)
        .map(({ number, status, params, values }) => [
          String(number),
          values?.[0]?.toFixed(4) ?? '',
          status.toLowerCase(),
          ...Object.values(params as object).map((value) => String(round(Number(value)))),
        ]),
    ]);
    terminal.note(`${startTuning.study.sampler}: ${startTuning.study.samplerReason ?? ''}`);
    terminal.note(`trial ${bestTrial.number} won; ${trialCounts.pruned} of ${TRIALS} were stopped early`);
    return {
      trials: trials.size,
      complete: trialCounts.complete,
      pruned: trialCounts.pruned,
      winner: bestTrial.number,
      logLoss: round(bestTrial.values![0]!),
    };
  }
}

const valueOf = ({ values }: Update): number => values?.[0] ?? Infinity;

function linesOf(trials: ReadonlyMap<number, Update>): string[] {
  const all = [...trials.values()];
  const done = all.filter(({ status }) => status !== 'RUNNING' && status !== 'QUEUED');
  const best = Math.min(...all.map(valueOf));
  return [
    `${bar(done.length / TRIALS)}  ${done.length} of ${TRIALS} trials` +
      (Number.isFinite(best) ? `, best log loss ${best.toFixed(4)}` : ''),
    ...all
      .filter(({ status }) => status === 'RUNNING')
      .map(({ number, lastReport }) => {
        const { step, value } = lastReport ?? { step: 0, value: '' };
        return `trial ${String(number).padStart(2)}  tree ${step}  ${Number(value).toFixed(4)}`;
      }),
    `values ${sparkline(done.map(valueOf).filter(Number.isFinite))}`,
  ];
}
