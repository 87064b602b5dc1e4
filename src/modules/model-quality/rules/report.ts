import type { Calibration } from '../../statistics/index.js';
import type { ClassificationReport, EvaluationReport, LossComparison, MetricEstimate } from './evaluation.js';
import type { SlicesReport } from './slices.js';

export interface ReportMeta {
  modelName: string;
  /** e.g. "3 (1.2.0)". */
  version: string;
  datasetName: string;
  createdAt: Date;
  /** Whether the version was trained again on all rows. Its figures are then those of the model before that. */
  refitted?: boolean;
  /** The version that it was compared with, e.g. "2 (1.1.0)"; null when there was none. */
  baselineVersion: string | null;
}

/** A Markdown page for people. Names that users chose are escaped. */
export function renderEvaluationMarkdown(report: EvaluationReport, meta: ReportMeta): string {
  const createdAt = meta.createdAt.toISOString().replace('T', ' ').slice(0, 16);
  return [
    `# Evaluation of ${escapeMarkdown(meta.modelName)}, version ${escapeMarkdown(meta.version)}`,
    `${count(report.rows)} holdout rows of ${escapeMarkdown(meta.datasetName)} · ${createdAt} UTC`,
    ...(meta.refitted
      ? [
          'The version was trained once more on all rows. The figures are those of the model before, which ' +
            'never saw these rows.',
        ]
      : []),
    ...sections(report, meta),
  ]
    .join('\n\n')
    .concat('\n');
}

function sections(report: EvaluationReport, meta: ReportMeta): string[] {
  switch (report.task) {
    case 'CLASSIFICATION':
      return [
        ...comparisonSection([report.baseRate, report.baseline], meta),
        metricsSection(report.metrics, report.baselineMetrics),
        confusionSection(report),
        ...calibrationSection(report.calibration, report.classNames),
        ...slicesSection(report.slices, ['accuracy', 'f1', 'roc_auc', 'log_loss']),
      ];
    case 'REGRESSION':
      return [
        ...comparisonSection([report.baseRate, report.baseline], meta),
        metricsSection(report.metrics, report.baselineMetrics),
        ...slicesSection(report.slices, ['rmse', 'mae', 'r2']),
      ];
    case 'CLUSTERING':
      return [metricsSection(report.metrics, null)];
  }
}

function comparisonSection(comparisons: readonly (LossComparison | null)[], meta: ReportMeta): string[] {
  const lines = comparisons
    .filter((comparison) => comparison !== null)
    .map((comparison) => {
      const { metric, candidate, reference, difference } = comparison;
      const opponent =
        comparison.against === 'BASE_RATE'
          ? 'the base rate'
          : `version ${escapeMarkdown(meta.baselineVersion ?? '')}`.trim();
      const loss = metric === 'rmse' ? 'root mean squared error' : 'log loss';
      return (
        `- **${verdictText(comparison)} ${opponent}**: ${metricTitle(metric)} ${figure(candidate)} against ` +
        `${figure(reference)}. ` +
        `Difference of the ${loss}: ${figure(difference.mean)} (95 % interval ${figure(difference.low)} to ` +
        `${figure(difference.high)}).`
      );
    });
  return ['## Verdict', lines.join('\n')];
}

function verdictText({ verdict }: LossComparison): string {
  switch (verdict) {
    case 'BETTER':
      return 'Better than';
    case 'WORSE':
      return 'Worse than';
    case 'NO_DIFFERENCE':
      return 'No provable difference from';
  }
}

function metricsSection(metrics: Record<string, MetricEstimate>, baseline: Record<string, number> | null): string {
  const rows = Object.entries(metrics).map(([name, { value, low, high }]) => [
    metricTitle(name),
    figure(value),
    low === null || high === null ? '–' : `${figure(low)} to ${figure(high)}`,
  ]);
  if (baseline)
    for (const [index, name] of Object.keys(metrics).entries())
      rows[index]!.push(baseline[name] === undefined ? '–' : figure(baseline[name]));
  return `## Metrics\n\n${table(['Metric', 'Value', '95 % interval', ...(baseline ? ['Baseline'] : [])], rows)}`;
}

/** With more classes, nobody can read the matrix. */
const MAX_MATRIX_CLASSES = 20;

function confusionSection({ classNames, confusion }: ClassificationReport): string {
  const title = '## Confusion matrix';
  if (classNames.length > MAX_MATRIX_CLASSES) return `${title}\n\n${classNames.length} classes: see the report's data.`;
  const names = classNames.map(escapeMarkdown);
  const rows = confusion.map((counts, k) => [`**${names[k]}**`, ...counts.map(count)]);
  return `${title}\n\nRows are true classes, columns predicted ones.\n\n${table(['', ...names], rows)}`;
}

function calibrationSection(calibration: Calibration | null, classNames: readonly string[]): string[] {
  if (calibration === null) return [];
  const subject =
    classNames.length === 2
      ? `the probability of ${escapeMarkdown(classNames[1]!)}`
      : 'the probability of the predicted class';
  const rows = calibration.bins.map((bin) => [count(bin.rows), figure(bin.meanScore), figure(bin.observed)]);
  return [
    `## Calibration\n\nFor ${subject}; expected calibration error ` +
      `${figure(calibration.expectedCalibrationError)}.\n\n` +
      table(['Rows', 'Mean probability', 'Observed share'], rows),
  ];
}

function slicesSection({ slices, omitted, minRows }: SlicesReport, shown: readonly string[]): string[] {
  if (slices.length + omitted.length === 0) return [];
  const rows = slices.map(({ column, value, rows: size, metrics }) => [
    escapeMarkdown(column),
    value === null ? '(missing)' : escapeMarkdown(value),
    count(size),
    ...shown.map((name) => (metrics[name] === undefined ? '–' : figure(metrics[name]))),
  ]);
  const notes = omitted.map(({ column, tooSmall, tooMany }) => {
    const parts = [
      tooSmall > 0 ? `${count(tooSmall)} with fewer than ${minRows} rows` : '',
      tooMany > 0 ? `${count(tooMany)} beyond the largest shown` : '',
    ];
    return `${escapeMarkdown(column)}: ${parts.filter(Boolean).join(', ')} left out.`;
  });
  return [['## Slices', table(['Column', 'Value', 'Rows', ...shown.map(metricTitle)], rows), ...notes].join('\n\n')];
}

function metricTitle(name: string): string {
  return METRIC_TITLES[name] ?? escapeMarkdown(name);
}

const METRIC_TITLES: Record<string, string> = {
  accuracy: 'Accuracy',
  precision: 'Precision',
  recall: 'Recall',
  f1: 'F1',
  roc_auc: 'ROC-AUC',
  average_precision: 'Average precision',
  log_loss: 'Log loss',
  brier: 'Brier score',
  rmse: 'RMSE',
  mae: 'MAE',
  r2: 'R²',
  silhouette: 'Silhouette',
  inertia: 'Inertia',
};

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const align = head.map((_, column) => (column === 0 ? '---' : '---:'));
  return [head, align, ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** Four significant digits, with a real minus sign; thousands are grouped from 10,000 on. */
function figure(value: number): string {
  const magnitude = Math.abs(value);
  let text: string;
  if (magnitude !== 0 && (magnitude < 1e-4 || magnitude >= 1e9)) text = magnitude.toExponential(2);
  else if (magnitude >= 10_000) text = count(Math.round(magnitude));
  else text = magnitude >= 1 ? String(Number(magnitude.toPrecision(5))) : magnitude.toFixed(4);
  return value < 0 ? `−${text}` : text;
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}

/**
 * Turns any name into one line of plain text: no HTML, no Markdown, no ends of table cells, no hidden characters, no
 * characters that change the text direction.
 */
export function escapeMarkdown(text: string): string {
  return text
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]+/gu, ' ')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replace(/[\\`*_{}[\]()#+!|~]/g, '\\$&');
}
