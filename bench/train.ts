// Training through `startTraining`, compared with TensorFlow.js on its WebAssembly backend: same network, batch size,
// learning rate, rows and epochs. ratio compares rows per second between the end of the first epoch and the end of the
// last; wholeJobRatio compares everything from the call to the stored, evaluated and exported model with
// TensorFlow.js's fit alone. With --pytorch, pytorchRatio compares rows per second with PyTorch on a processor, on one
// thread like here.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import {
  BenchCreateExperimentDocument,
  BenchJobStatusDocument,
  BenchMetricHistoryDocument,
  BenchRegisterDatasetDocument,
  BenchStartTrainingDocument,
  type TrainingConfigInput,
} from './generated/operations.ts';
import { median, report } from './support/report.ts';
import { startPeer, startService, withDataDir, type Service } from './support/service.ts';

const WIDTHS = [100, 128, 64, 5];
const INPUTS = 100;
const ROWS = 50_000;
const SHARE_APART = 0.1;
const EPOCHS = 3;
const BATCH_SIZE = 32;
const LEARNING_RATE = 0.001;
const ROUNDS = 3;
const TRAIN_ROWS = ROWS - 2 * ROWS * SHARE_APART;
const PEER_DIR = fileURLToPath(new URL('tensorflow/', import.meta.url));

interface Trained {
  /** Between the end of the first epoch and the end of the last one. */
  rowsPerSecond: number;
  wholeSeconds: number;
  validationLogLoss: number;
}

/**
 * Rows of normally distributed features. The class is the strongest of five random directions, so that a model can
 * learn it.
 */
function makeRows(): Float32Array {
  let state = 12_345;
  const uniform = () => (state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff) / 0x7fffffff;
  const normal = () => Math.sqrt(-2 * Math.log(uniform() || 1e-9)) * Math.cos(2 * Math.PI * uniform());
  const directions = Array.from({ length: 5 }, () => Array.from({ length: INPUTS }, normal));
  const rows = new Float32Array(ROWS * (INPUTS + 1));
  for (let row = 0; row < ROWS; row++) {
    const at = row * (INPUTS + 1);
    for (let i = 0; i < INPUTS; i++) rows[at + i] = Number(normal().toFixed(4));
    const scores = directions.map((direction) =>
      direction.reduce((sum, weight, i) => sum + weight * (rows[at + i] ?? 0), 3 * normal()),
    );
    rows[at + INPUTS] = scores.indexOf(Math.max(...scores));
  }
  return rows;
}

function toCsv(rows: Float32Array): string {
  const lines = [[...Array.from({ length: INPUTS }, (_, i) => `f${i}`), 'target'].join(',')];
  for (let at = 0; at < rows.length; at += INPUTS + 1) {
    const features = Array.from(rows.subarray(at, at + INPUTS), (value) => value.toFixed(4));
    lines.push(`${features.join(',')},c${rows[at + INPUTS]}`);
  }
  return lines.join('\n');
}

async function prepare(service: Service, csv: string): Promise<{ experimentId: string; datasetId: string }> {
  const uploaded = await fetch(`${service.url}/uploads?fileName=rows.csv`, {
    method: 'POST',
    headers: { 'content-type': 'application/octet-stream', authorization: `Bearer ${service.token}` },
    body: csv,
  });
  const { uploadId } = (await uploaded.json()) as { uploadId: string };
  const { registerDataset } = await service.send(BenchRegisterDatasetDocument, {
    input: { name: 'bench', format: 'CSV', source: { uploadId } },
  });
  const { createExperiment } = await service.send(BenchCreateExperimentDocument, { input: { name: 'bench' } });
  return { experimentId: createExperiment.experiment.id, datasetId: registerDataset.dataset.id };
}

async function trainHere(service: Service, ids: { experimentId: string; datasetId: string }): Promise<Trained> {
  const config: TrainingConfigInput = {
    algorithm: 'MLP_CLASSIFIER',
    target: { column: 'target' },
    features: Array.from({ length: INPUTS }, (_, i) => ({ column: `f${i}`, kind: 'NUMERIC' })),
    split: { by: 'RATIO', validation: SHARE_APART, holdout: SHARE_APART },
    hyperparameters: {
      epochs: EPOCHS,
      batchSize: BATCH_SIZE,
      learningRate: LEARNING_RATE,
      hiddenLayers: WIDTHS.slice(1, -1),
    },
    checkpointEveryEpochs: EPOCHS,
  };
  const started = performance.now();
  const { startTraining } = await service.send(BenchStartTrainingDocument, { input: { ...ids, config } });
  for (;;) {
    const { job } = await service.send(BenchJobStatusDocument, { id: startTraining.job.id });
    if (job.status === 'SUCCEEDED') break;
    if (job.status !== 'QUEUED' && job.status !== 'RUNNING')
      throw new Error(`the training is ${job.status}: ${job.errorMessage}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const wholeSeconds = (performance.now() - started) / 1000;
  const { run } = await service.send(BenchMetricHistoryDocument, { id: startTraining.run.id, key: 'validation.loss' });
  const epochs = run.metricHistory.filter(({ step }) => step >= 1);
  const [first, last] = [epochs[0], epochs.at(-1)];
  if (!first || !last || epochs.length < EPOCHS)
    throw new Error(`metrics of ${epochs.length} epochs instead of ${EPOCHS}`);
  const seconds = (Date.parse(last.loggedAt) - Date.parse(first.loggedAt)) / 1000;
  return {
    rowsPerSecond: (TRAIN_ROWS * (last.step - first.step)) / seconds,
    wholeSeconds,
    validationLogLoss: Number(last.value),
  };
}

interface PeerAnswer {
  backend: string;
  epochEndsMs: number[];
  validationLogLoss: number;
}

const PEER_SETTINGS = JSON.stringify({
  widths: WIDTHS,
  rows: ROWS,
  trainRows: TRAIN_ROWS,
  validationRows: ROWS * SHARE_APART,
  epochs: EPOCHS,
  batchSize: BATCH_SIZE,
  learningRate: LEARNING_RATE,
});

async function trainThere(file: string): Promise<Trained & { backend: string }> {
  const peer = await startPeer<PeerAnswer>(new URL('tensorflow/train.mjs', import.meta.url), [file, PEER_SETTINGS]);
  await peer.stop();
  return trainedBy(peer.ready);
}

async function trainInPyTorch(python: string, file: string): Promise<Trained & { backend: string }> {
  const script = fileURLToPath(new URL('pytorch/train.py', import.meta.url));
  const { stdout } = await promisify(execFile)(python, ['-W', 'ignore', script, file, PEER_SETTINGS]);
  return trainedBy(JSON.parse(stdout) as PeerAnswer);
}

/** A Python with PyTorch, which is installed once; undefined without --pytorch. */
async function pythonWithPyTorch(): Promise<string | undefined> {
  if (!process.argv.includes('--pytorch')) return undefined;
  const module = new URL('../scripts/python-frameworks.mjs', import.meta.url).href;
  return ((await import(module)) as { frameworksPython(): string }).frameworksPython();
}

function trainedBy({ backend, epochEndsMs, validationLogLoss }: PeerAnswer): Trained & { backend: string } {
  const [firstMs = NaN, lastMs = NaN] = [epochEndsMs[0], epochEndsMs.at(-1)];
  return {
    backend,
    rowsPerSecond: (TRAIN_ROWS * (EPOCHS - 1)) / ((lastMs - firstMs) / 1000),
    wholeSeconds: lastMs / 1000,
    validationLogLoss,
  };
}

/** Only this benchmark needs TensorFlow.js. */
async function installPeer(): Promise<void> {
  const lock = (path: string) =>
    existsSync(path)
      ? (JSON.parse(readFileSync(path, 'utf8')) as { packages: Record<string, { version?: string }> }).packages
      : null;
  const wanted = lock(join(PEER_DIR, 'package-lock.json')) ?? {};
  const present = lock(join(PEER_DIR, 'node_modules/.package-lock.json'));
  if (
    present &&
    Object.entries(wanted).every(([path, { version }]) => path === '' || present[path]?.version === version)
  )
    return;
  process.stderr.write('Installing TensorFlow.js for this benchmark …\n');
  const child = spawn('npm', ['ci', '--ignore-scripts', '--loglevel=error'], {
    cwd: PEER_DIR,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`npm ci in ${PEER_DIR} ended with code ${code}`);
}

await installPeer();
const python = await pythonWithPyTorch();
await withDataDir(async (dataDir) => {
  const rows = makeRows();
  const file = join(dataDir, 'rows.f32');
  await writeFile(file, new Uint8Array(rows.buffer));
  const service = await startService(join(dataDir, 'service'));
  try {
    const ids = await prepare(service, toCsv(rows));
    const here: Trained[] = [];
    const there: (Trained & { backend: string })[] = [];
    const inPyTorch: (Trained & { backend: string })[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      here.push(await trainHere(service, ids));
      there.push(await trainThere(file));
      if (python !== undefined) inPyTorch.push(await trainInPyTorch(python, file));
    }
    const ratioOf = (of: (trained: Trained) => number, peers: Trained[] = there) =>
      here.map((trained, i) => of(trained) / of(peers[i] as Trained));
    const speed = (trained: Trained) => trained.rowsPerSecond;
    report('train', median(ratioOf(speed)), 20, 'higher', {
      network: WIDTHS.join('-'),
      batchSize: BATCH_SIZE,
      trainRows: TRAIN_ROWS,
      epochs: EPOCHS,
      rowsPerSecond: median(here.map((trained) => trained.rowsPerSecond)),
      tensorflowRowsPerSecond: median(there.map((trained) => trained.rowsPerSecond)),
      tensorflowBackend: there[0]?.backend ?? '',
      wholeJobSeconds: median(here.map((trained) => trained.wholeSeconds)),
      tensorflowFitSeconds: median(there.map((trained) => trained.wholeSeconds)),
      wholeJobRatio: 1 / median(ratioOf((trained) => trained.wholeSeconds)),
      validationLogLoss: median(here.map((trained) => trained.validationLogLoss)),
      tensorflowValidationLogLoss: median(there.map((trained) => trained.validationLogLoss)),
      ...(python !== undefined && {
        pytorchRatio: median(ratioOf(speed, inPyTorch)),
        pytorchRowsPerSecond: median(inPyTorch.map(speed)),
        pytorchVersion: inPyTorch[0]?.backend ?? '',
        pytorchValidationLogLoss: median(inPyTorch.map((trained) => trained.validationLogLoss)),
      }),
    });
  } finally {
    await service.stop();
  }
});
