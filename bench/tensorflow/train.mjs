// Trains the network of the train benchmark with TensorFlow.js on its WebAssembly backend. Arguments: a file of float32
// rows (inputs, then the class), and JSON of the settings. Prints one JSON line.
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createRequire } from 'node:module';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import * as layers from '@tensorflow/tfjs-layers';

const [file, settings] = process.argv.slice(2);
const { widths, rows, trainRows, validationRows, epochs, batchSize, learningRate } = JSON.parse(settings);
const inputs = widths[0];
const classes = widths.at(-1);

setWasmPaths(`${dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm'))}/`);
await tf.setBackend('wasm');
await tf.ready();
const bytes = await readFile(join(file));
const all = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
const part = (from, count) => {
  const x = new Float32Array(count * inputs);
  const y = new Int32Array(count);
  for (let row = 0; row < count; row++) {
    const at = (from + row) * (inputs + 1);
    x.set(all.subarray(at, at + inputs), row * inputs);
    y[row] = all[at + inputs];
  }
  return [tf.tensor2d(x, [count, inputs]), tf.oneHot(tf.tensor1d(y, 'int32'), classes)];
};
if (all.length !== rows * (inputs + 1)) throw new Error('the file does not fit the settings');
const [x, y] = part(0, trainRows);
const validationData = part(trainRows, validationRows);
const model = layers.sequential();
widths.slice(1).forEach((units, i) => {
  model.add(
    layers.layers.dense({
      units,
      activation: i < widths.length - 2 ? 'relu' : 'softmax',
      ...(i === 0 && { inputShape: [inputs] }),
    }),
  );
});
model.compile({ optimizer: tf.train.adam(learningRate), loss: 'categoricalCrossentropy' });
const epochEndsMs = [];
const startedMs = performance.now();
const history = await model.fit(x, y, {
  epochs,
  batchSize,
  validationData,
  shuffle: true,
  verbose: 0,
  yieldEvery: 'never',
  callbacks: { onEpochEnd: async () => void epochEndsMs.push(performance.now() - startedMs) },
});
process.stdout.write(
  `${JSON.stringify({ backend: tf.getBackend(), epochEndsMs, validationLogLoss: history.history.val_loss.at(-1) })}\n`,
);
