import { RollbackModelDocument, SetRetrainingPolicyDocument } from '../schema/generated/operations.ts';
import { AbTestPart } from './ab-test-part.ts';
import { CanaryPart } from './canary-part.ts';
import { EnsemblePart } from './ensemble-part.ts';
import { MonitoringPart } from './monitoring-part.ts';
import type { ScenarioOptions, State } from './part.ts';
import { RegistryPart } from './registry-part.ts';
import { ServingPart } from './serving-part.ts';
import { duration } from './terminal.ts';
import { TuningPart } from './tuning-part.ts';
import { TrainingPart } from './training-part.ts';
import { present, type Version } from './views.ts';
import { must, type Figures } from './walk.ts';

/** Will this flight be more than 15 minutes late? The whole life of a model, only through the public API. */
export class Scenario {
  private readonly options: ScenarioOptions;
  private readonly state: State;
  private readonly training: TrainingPart;
  private readonly tuning: TuningPart;
  private readonly ensemble: EnsemblePart;
  private readonly registry: RegistryPart;
  private readonly serving: ServingPart;
  private readonly monitoring: MonitoringPart;
  private readonly canary: CanaryPart;
  private readonly abTest: AbTestPart;

  constructor(options: ScenarioOptions) {
    this.options = options;
    const name = `flight-delay${options.suffix}`;
    this.state = {
      experimentId: '',
      modelId: '',
      endpointId: '',
      deploymentId: '',
      modelName: name,
      endpointName: name,
      datasetName: `flights${options.suffix}`,
      studyId: '',
    };
    this.training = new TrainingPart(options, this.state);
    this.tuning = new TuningPart(options, this.state);
    this.ensemble = new EnsemblePart(options, this.state);
    this.registry = new RegistryPart(options, this.state);
    this.serving = new ServingPart(options, this.state);
    this.monitoring = new MonitoringPart(options, this.state);
    this.canary = new CanaryPart(options, this.state);
    this.abTest = new AbTestPart(options, this.state);
  }

  async run(): Promise<void> {
    const { walk } = this.options;
    let firstRunId = '';
    let bestRunId = '';
    let first: Version | null = null;
    let second: Version | null = null;
    let worse: Version | null = null;
    let alertId = '';
    await walk.step(
      'Register a dataset: real flights of January to March 2001',
      async () =>
        (await this.training.registerDataset(this.state.datasetName, '2001-01-01', '2001-04-01', false)).figures,
    );
    await walk.step('Train a logistic regression, live', async () => {
      const trained = await this.training.train('logistic', 'LOGISTIC_REGRESSION');
      firstRunId = trained.runId;
      return trained.figures;
    });
    await walk.step('Train a neural network on the same weeks, live', async () => {
      const trained = await this.training.train('network', 'MLP_CLASSIFIER');
      bestRunId = trained.runId;
      return trained.figures;
    });
    await walk.step('Train boosted trees beside it, live', async () => {
      const trained = await this.training.train('trees', 'BOOSTED_TREES_CLASSIFIER');
      return trained.figures;
    });
    await walk.step('Compare the runs: which model has won?', async () => {
      const compared = await this.training.compareRuns();
      bestRunId = compared.bestRunId || bestRunId || firstRunId;
      return compared.figures;
    });
    await walk.step('Tune twelve trials of boosted trees live, and see which model won', () => this.tuning.tune());
    await walk.step('Make one model of the best tuned ones: an ensemble, measured with its members', () =>
      this.ensemble.combine(),
    );
    await walk.step('Register the best one as version 1', async () => {
      first = await this.registry.registerModel(bestRunId);
      return { version: first.version, semanticVersion: first.semanticVersion, stage: first.stage };
    });
    const v1 = () => present(first);
    await walk.step('Try to promote it unproven: refused, with what is missing', () =>
      this.registry.refusedPromotion(v1()),
    );
    await walk.step('Evaluate it on the latest two weeks, against the base rate', () =>
      this.registry.evaluate(v1(), 'the base rate'),
    );
    await walk.step('Validate it: signature, samples, thresholds, latency, agreement', () =>
      this.registry.validate(v1()),
    );
    await walk.step('Promote it: staging, then production', () => this.registry.promote(v1(), null));
    await walk.step('Deploy it on an endpoint that follows production', () => this.serving.deploy());
    await walk.step('Predict: will these two flights be late?', () => this.serving.askForTwo());
    await walk.step('Send real flights as traffic', () =>
      this.serving.sendTraffic('2001-03-18', '2001-04-01', false, 1_500),
    );
    await walk.step('Watch: live traffic is like the training data', () => this.monitoring.monitorQuiet());
    await walk.step('Let an alert retrain: fresh flights and a policy', async () => {
      const { figures } = await this.training.registerDataset(this.state.datasetName, '2001-01-01', '2001-06-16', true);
      await this.options.api.request(SetRetrainingPolicyDocument, {
        input: {
          modelId: this.state.modelId,
          datasetName: this.state.datasetName,
          alertKinds: ['DRIFT'],
          cooldownMs: 3_600_000,
          budgetPer30Days: 3,
        },
      });
      return figures;
    });
    await walk.step('Send a really different stretch until drift is noticed', async () => {
      const noticed = await this.monitoring.sendUntilDrift(() =>
        this.serving.sendTraffic('2001-05-15', '2001-06-20', true, 600),
      );
      alertId = noticed.alertId;
      return noticed.figures;
    });
    await walk.step('The alert retrains on fresh flights', async () => {
      const retrained = await this.monitoring.awaitRetraining(alertId);
      second = retrained.version;
      return retrained.figures;
    });
    const v2 = () => present(second);
    await walk.step('Evaluate version 2 against production', () => this.registry.evaluate(v2(), 'version 1'));
    await walk.step('Validate version 2 and promote it to staging', async () => {
      const figures = await this.registry.validate(v2());
      await this.registry.promoteTo(v2(), 'STAGING', null);
      return figures;
    });
    await walk.step('Shadow it: a copy of live traffic, answers compared, never returned', () =>
      this.serving.shadow(v2()),
    );
    await walk.step('Promote version 2 to production: traffic follows', () => this.promoteToProduction(v2(), v1()));
    await walk.step('Roll back, and forward again', () => this.rollBackAndForward(v1(), v2()));
    await walk.step('A worse version as a canary: it is rolled back by itself', async () => {
      const { worse: version, figures } = await this.canary.rollBackByItself(v2());
      worse = version;
      return figures;
    });
    await walk.step('An A/B test by caller: is version 2 better than one that learned nothing? It decides', () =>
      this.abTest.decide(present(worse), v2()),
    );
    await walk.step('Predict for a whole week in the background', async () => {
      const { dataset } = await this.training.registerDataset(
        `${this.state.datasetName}-week`,
        '2001-06-18',
        '2001-06-25',
        true,
      );
      return this.serving.batch(v2(), dataset);
    });
    await walk.step('Read back what happened', () => this.registry.readHistory());
  }

  /** URLs and documents with which a person can continue. */
  closingQueries(): { title: string; query: string }[] {
    return [
      {
        title: 'What is in production, on which evidence',
        query:
          `{ model(id: "${this.state.modelId}") { name productionVersion { version semanticVersion gates { ` +
          'gate passed checks { name expected got } } } } }',
      },
      {
        title: 'Predict',
        query:
          `mutation { predict(input: { endpointName: "${this.state.endpointName}", rows: [{ date: ` +
          '"2001-06-29T17:30:00Z", distance: 733, origin: "ORD", destination: "LGA" }] }) { predictions { ' +
          'label probabilities } latencyMs } }',
      },
      {
        title: 'Follow all that happens (keep it open while you promote or predict)',
        query: `subscription { lifecycleEvents(after: 0) { seq type createdAt payload } }`,
      },
    ];
  }

  private async promoteToProduction(candidate: Version, serving: Version): Promise<Figures> {
    const { terminal } = this.options;
    const promoted = await this.registry.promoteTo(candidate, 'PRODUCTION', serving.id);
    const startedAt = performance.now();
    const live = await this.serving.awaitLive(promoted.version);
    this.state.deploymentId = live.id;
    const [flight] = await this.options.flights.traffic({
      from: '2001-06-20',
      to: '2001-06-30',
      others: false,
      rows: 1,
      seed: 99,
    });
    const answer = await this.serving.predict(flight ? [flight] : []);
    must(answer.version === promoted.version, `version ${answer.version} answered`);
    terminal.note(`version ${answer.version} answers, ${duration(performance.now() - startedAt)} after the promotion`);
    return { version: answer.version };
  }

  private async rollBackAndForward(earlier: Version, later: Version): Promise<Figures> {
    const { api, terminal } = this.options;
    const { rollbackModel } = await api.request(RollbackModelDocument, {
      modelId: this.state.modelId,
      expectedProductionVersionId: later.id,
      reason: 'The demo shows the way back',
    });
    must(rollbackModel.restored.id === earlier.id, 'another version was restored');
    await this.serving.awaitLive(earlier.version);
    terminal.note(`back: version ${earlier.version} serves`);
    await this.registry.promoteTo(later, 'STAGING', null);
    await this.registry.promoteTo(later, 'PRODUCTION', earlier.id);
    await this.serving.awaitLive(later.version);
    terminal.note(`forward: version ${later.version} serves, on its earlier evidence`);
    return { back: earlier.version, forward: later.version };
  }
}
