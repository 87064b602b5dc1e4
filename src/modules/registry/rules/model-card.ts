import { escapeMarkdown } from '../../model-quality/index.js';
import type { Signature, TensorSpec } from '../../model-contract/index.js';
import type { SplitConfig, TrainingConfig } from '../../algorithms/index.js';

export interface ModelCardFacts {
  modelName: string;
  modelDescription: string;
  modelType: string;
  framework: string;
  task: string;
  version: number;
  semanticVersion: string;
  description: string;
  createdBy: string;
  createdAt: Date;
  sizeBytes: number;
  sha256: string;
  signature: Signature;
  /** By name, e.g. `holdout.log_loss`. */
  metrics: Record<string, number>;
  agreementMaxAbsDiff: number | null;
  /** Null for an uploaded model. */
  training: {
    config: TrainingConfig;
    rows: { train: number; validation: number; holdout: number };
    runId: string;
    datasetName: string;
    datasetVersion: number;
    datasetSha256: string;
  } | null;
}

/** What a person should know before using the model, as Markdown. Texts that users chose are escaped. */
export function renderModelCard(facts: ModelCardFacts): string {
  return [
    `# ${escapeMarkdown(facts.modelName)}, version ${facts.version} (${facts.semanticVersion})`,
    ...[facts.modelDescription, facts.description].filter(Boolean).map(escapeMarkdown),
    `## What it is\n\n${bullets([
      `${escapeMarkdown(facts.modelType)} (${facts.task.toLowerCase()}), ${escapeMarkdown(facts.framework)}`,
      `Registered ${facts.createdAt.toISOString().slice(0, 16).replace('T', ' ')} UTC by ` +
        `${escapeMarkdown(facts.createdBy)}`,
      `model.onnx: ${facts.sizeBytes.toLocaleString('en-US')} bytes, SHA-256 \`${facts.sha256}\``,
    ])}`,
    `## Data\n\n${dataSection(facts)}`,
    `## Metrics\n\n${metricsSection(facts.metrics)}`,
    `## Signature\n\nThe first dimension is the batch; −1 stands for any length.\n\n### ` +
      `Inputs\n\n${tensorTable(facts.signature.inputs)}\n\n### ` +
      `Outputs\n\n${tensorTable(facts.signature.outputs)}${classesLine(facts.signature)}`,
    `## Limits\n\n${bullets(limits(facts))}`,
  ]
    .join('\n\n')
    .concat('\n');
}

/** The Python packages that are needed to run the file outside of this service. */
export const MODEL_REQUIREMENTS = 'onnxruntime>=1.20,<2\nnumpy>=1.26,<3\n';

function dataSection({ training }: ModelCardFacts): string {
  if (!training) return 'Uploaded as a finished file: the data that it was trained on is not known to this service.';
  const { config, rows } = training;
  const { target, split, window } = config;
  return bullets([
    `Dataset ${escapeMarkdown(training.datasetName)}, version ${training.datasetVersion}, SHA-256 ` +
      `\`${training.datasetSha256}\``,
    `Run ${training.runId}`,
    `${count(rows.train)} training, ${count(rows.validation)} validation and ${count(rows.holdout)} holdout ` +
      `rows, split by ${splitText(split)}`,
    ...(config.refit ? ['Trained once more on all of them after the holdout had judged it'] : []),
    ...(window
      ? [
          `Rows whose ${escapeMarkdown(window.column)} lies from ${window.from ?? 'the beginning'} to before ` +
            `${window.to ?? 'the end'}`,
        ]
      : []),
    ...(target
      ? [
          `Target: ${escapeMarkdown(target.column)}${target.greaterThan === undefined ? '' : ` above ${target.greaterThan}`}`,
        ]
      : []),
    `Features: ${config.features.map(({ column, kind }) => `${escapeMarkdown(column)} (${kind.toLowerCase()})`).join(', ')}`,
  ]);
}

function splitText(split: SplitConfig): string {
  switch (split.by) {
    case 'RATIO':
      return 'a seeded shuffle';
    case 'TIME':
      return `time (${escapeMarkdown(split.column)}; the latest are the holdout)`;
    case 'COLUMN':
      return `the column ${escapeMarkdown(split.column)}`;
  }
}

function metricsSection(metrics: Record<string, number>): string {
  const entries = Object.entries(metrics);
  if (entries.length === 0) return 'None yet: evaluate the version.';
  return table(
    ['Metric', 'Value'],
    entries.map(([name, value]) => [escapeMarkdown(name), String(Number(value.toPrecision(6)))]),
  );
}

function tensorTable(specs: readonly TensorSpec[]): string {
  return table(
    ['Name', 'Type', 'Shape', 'Means'],
    specs.map(({ name, datatype, shape, semantic, columns }) => [
      escapeMarkdown(name),
      datatype,
      shape.join(' × ').replaceAll('-', '−') || 'scalar',
      semantic?.toLowerCase() ?? (columns ? columns.map((column) => escapeMarkdown(column.name)).join(', ') : '–'),
    ]),
  );
}

function classesLine({ classes }: Signature): string {
  return classes ? `\n\nClasses, in the order of their probabilities: ${classes.map(escapeMarkdown).join(', ')}.` : '';
}

function limits({ training, agreementMaxAbsDiff }: ModelCardFacts): string[] {
  if (!training) {
    return [
      'Its answers have been checked for form only; evaluate it on data like yours before it decides anything.',
      'Without a training profile, drift of its inputs cannot be told.',
    ];
  }
  return [
    `Judged on ${count(training.rows.holdout)} holdout rows of one dataset; data from elsewhere or later may ` +
      'differ, which drift monitoring watches for.',
    'A missing number counts as the training mean, an unknown category as "other".',
    ...(agreementMaxAbsDiff === null
      ? []
      : [`The exported file answers as its trainer did, to ${agreementMaxAbsDiff.toExponential(1)}.`]),
  ];
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}

function bullets(lines: readonly string[]): string {
  return lines.map((line) => `- ${line}`).join('\n');
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
