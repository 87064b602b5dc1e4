import {
  CreateModelDocument,
  EvaluateModelVersionDocument,
  EvaluationDocument,
  ModelHistoryDocument,
  PromoteModelVersionDocument,
  RegisterModelVersionDocument,
  ValidateModelVersionDocument,
  type PromoteModelVersionMutation,
  type PromotionStage,
} from '../schema/generated/operations.ts';
import { ApiError } from './client.ts';
import { Part } from './part.ts';
import { interval, round, type Version } from './views.ts';
import { must, type Figures } from './walk.ts';

/** Versions, their gates and their stages. */
export class RegistryPart extends Part {
  async registerModel(runId: string): Promise<Version> {
    const { api, terminal } = this.options;
    const { createModel } = await api.request(CreateModelDocument, {
      input: {
        name: this.state.modelName,
        task: 'CLASSIFICATION',
        modelType: 'flight delay',
        framework: 'onnx',
        description: 'Is a flight more than 15 minutes late?',
      },
    });
    this.state.modelId = createModel.model.id;
    const { registerModelVersion } = await api.request(RegisterModelVersionDocument, {
      modelId: this.state.modelId,
      runId,
    });
    const version = registerModelVersion.modelVersion;
    terminal.note(`${this.state.modelName} version ${version.version} (${version.semanticVersion}), ${version.stage}`);
    return version;
  }

  async refusedPromotion(version: Version): Promise<Figures> {
    try {
      await this.promoteTo(version, 'STAGING', null);
    } catch (error) {
      must(
        error instanceof ApiError && error.code === 'GATE_NOT_PASSED',
        `expected GATE_NOT_PASSED, got ${String(error)}`,
      );
      this.options.terminal.note(error.message);
      return { code: error.code };
    }
    throw new Error('an unproven version was promoted');
  }

  async evaluate(version: Version, against: string): Promise<Figures> {
    const { api, terminal } = this.options;
    const { evaluateModelVersion } = await api.request(EvaluateModelVersionDocument, { modelVersionId: version.id });
    const job = await this.awaitJob(evaluateModelVersion.job.id);
    must(job.outcome !== null && 'evaluationId' in job.outcome, 'an evaluation is expected');
    const { evaluation } = await api.request(EvaluationDocument, { id: job.outcome.evaluationId });
    terminal.table([
      ['metric', 'value', '95 % interval', 'production'],
      ...evaluation.metrics.map((metric) => [
        metric.name,
        metric.value.toFixed(4),
        interval(metric.low, metric.high),
        metric.baseline?.toFixed(4) ?? '—',
      ]),
    ]);
    const base = evaluation.againstBaseRate;
    must(base !== null, 'the comparison with the base rate is missing');
    terminal.note(
      `log loss ${base.candidate.toFixed(4)} against ${base.reference.toFixed(4)} of the base rate: ` +
        `difference ${base.difference.toFixed(4)} (${interval(base.low, base.high)})`,
    );
    must(
      base.high < 0,
      `the model's log loss is not below the base rate's: the interval of the difference ends at ${base.high}`,
    );
    const gate = await this.passedGate(version, 'EVALUATION');
    const rocAuc = evaluation.metrics.find((metric) => metric.name === 'roc_auc')?.value ?? NaN;
    const figures: Figures = {
      against,
      rows: evaluation.rows,
      logLoss: round(base.candidate),
      baseRateLogLoss: round(base.reference),
      differenceHigh: round(base.high),
      rocAuc: round(rocAuc),
      gate: gate.passed,
    };
    if (evaluation.againstBaseline) {
      const { difference, low, high } = evaluation.againstBaseline;
      terminal.note(`against ${against}: ${difference.toFixed(4)} (${interval(low, high)})`);
      figures['againstProduction'] = round(difference);
    }
    return figures;
  }

  async validate(version: Version): Promise<Figures> {
    const { api, terminal } = this.options;
    const { validateModelVersion } = await api.request(ValidateModelVersionDocument, { modelVersionId: version.id });
    await this.awaitJob(validateModelVersion.job.id);
    const gate = await this.passedGate(version, 'VALIDATION');
    terminal.table([
      ['check', 'expected', 'got'],
      ...gate.checks.map((check) => [`${check.passed ? '✓' : '✗'} ${check.name}`, check.expected, check.got]),
    ]);
    return { checks: gate.checks.length, passed: gate.passed };
  }

  async promote(version: Version, expected: string | null): Promise<Figures> {
    await this.promoteTo(version, 'STAGING', null);
    const promoted = await this.promoteTo(version, 'PRODUCTION', expected);
    this.options.terminal.note(`version ${promoted.version} is in ${promoted.stage}`);
    return { version: promoted.version, stage: promoted.stage };
  }

  async promoteTo(
    version: Version,
    toStage: PromotionStage,
    expectedProductionVersionId: string | null,
  ): Promise<PromoteModelVersionMutation['promoteModelVersion']['modelVersion']> {
    const { promoteModelVersion } = await this.options.api.request(PromoteModelVersionDocument, {
      modelVersionId: version.id,
      toStage,
      expectedProductionVersionId,
    });
    return promoteModelVersion.modelVersion;
  }

  async readHistory(): Promise<Figures> {
    const { api, terminal } = this.options;
    const { modelHistory } = await api.request(ModelHistoryDocument, { modelId: this.state.modelId });
    const history = modelHistory.nodes.toReversed();
    terminal.table([
      ['version', 'from', 'to', 'at'],
      ...history.map((step) => [
        String(step.modelVersion.version),
        step.fromStage,
        step.toStage,
        step.createdAt.slice(11, 19),
      ]),
    ]);
    return { stageChanges: history.length };
  }
}
