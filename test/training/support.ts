import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { InferenceSession, Tensor as RuntimeTensor } from 'onnxruntime-node';
import { expect, onTestFinished } from 'vitest';
import type { z } from 'zod';
import type { Table } from '../../src/adapters/dataset-files/port.js';
import type { Tensor } from '../../src/modules/model-contract/rules/tensor.js';
import type { FoldResult } from '../../src/modules/algorithms/rules/cross-validation.js';
import { type TrainingConfig, trainingConfigSchema } from '../../src/modules/algorithms/rules/training-config.js';
import { type LocalTraining, LocalTrainingBackend } from '../../src/training/local-backend.js';
import type { CheckpointReport, EpochReport, TrainingHooks, TrainingOutcome } from '../../src/training/port.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** The training process runs from dist: builds it when `npm test` has not, or when a source is newer. */
export function ensureBuilt(): void {
  const entry = path.join(root, 'dist/training/local-child.js');
  const sources = globSync('src/{training,child-task,adapters,inference,modules}/**/*.ts', { cwd: root });
  const newest = Math.max(...sources.map((source) => statSync(path.join(root, source)).mtimeMs));
  if (existsSync(entry) && newest <= statSync(path.join(root, 'dist/.tsbuildinfo')).mtimeMs) return;
  const { stdout } = spawnSync(
    process.execPath,
    [path.join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.json'],
    {
      cwd: root,
    },
  );
  // Type errors elsewhere are found by the type check: the compiler writes its output in any case.
  if (!existsSync(entry)) throw new Error(`The build failed: ${stdout.toString()}`);
}

export function fixturePath(name: string): string {
  return path.join(root, 'test/fixtures/training', name);
}

export function vegaPath(name: string): string {
  return path.join(root, 'node_modules/vega-datasets/data', name);
}

/** Removed when the test ends. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'matih-training-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export function sha256Of(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

export type ConfigInput = z.input<typeof trainingConfigSchema>;

export interface Finished {
  outcome: TrainingOutcome;
  epochs: EpochReport[];
  checkpoints: CheckpointReport[];
  folds: FoldResult[];
  config: TrainingConfig;
  workDir: string;
}

export interface Started extends Omit<Finished, 'outcome'> {
  running: LocalTraining;
  progress: number[];
}

const backend = new LocalTrainingBackend({ limits: { silenceMs: 20_000 }, usageIntervalMs: 0 });

export function start(
  dataset: Table,
  input: ConfigInput,
  hooks: Partial<TrainingHooks> = {},
  resumeFromPath?: string,
  finishedFolds?: readonly FoldResult[],
): Started {
  const config = trainingConfigSchema.parse(input);
  const workDir = temporaryFolder();
  const epochs: EpochReport[] = [];
  const checkpoints: CheckpointReport[] = [];
  const folds: FoldResult[] = [];
  const progress: number[] = [];
  const request = { config, data: dataset, workDir, resumeFromPath, finishedFolds };
  const running = backend.start(request, {
    onProgress(fraction, message) {
      progress.push(fraction);
      hooks.onProgress?.(fraction, message);
    },
    async onEpoch(report) {
      epochs.push(report);
      await hooks.onEpoch?.(report);
    },
    async onCheckpoint(report) {
      checkpoints.push(report);
      await hooks.onCheckpoint?.(report);
    },
    async onFold(result) {
      folds.push(result);
      await hooks.onFold?.(result);
    },
    async onWarning(warning) {
      await hooks.onWarning?.(warning);
    },
  });
  return { running, epochs, checkpoints, folds, progress, config, workDir };
}

export async function trainModel(dataset: Table, input: ConfigInput, resumeFromPath?: string): Promise<Finished> {
  const started = start(dataset, input, {}, resumeFromPath);
  const outcome = await started.running.outcome;
  // Requests of every model that is trained here may run in one batch.
  expect(outcome.signature.rowIndependence).toEqual({ proven: true, reason: null });
  return { ...started, outcome };
}

/** Runs the exported model in ONNX Runtime, as any client would. */
export async function runModel(modelPath: string, inputs: readonly Tensor[]): Promise<Record<string, RuntimeTensor>> {
  const session = await InferenceSession.create(modelPath);
  const feeds = inputs.map(({ name, datatype, data, shape }) => {
    const types = { FP32: 'float32', FP64: 'float64', INT64: 'int64', BYTES: 'string' } as const;
    return [name, new RuntimeTensor(types[datatype as keyof typeof types], data as Float32Array, shape)] as const;
  });
  return session.run(Object.fromEntries(feeds));
}
