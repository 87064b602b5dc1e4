import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readAnswers, rowPredictions } from '../../src/modules/serving/rules/answers.js';
import { predictionColumns } from '../../src/modules/serving/rules/batch-output.js';
import type { Signature, Tensor } from '../../src/modules/model-contract/rules/tensor.js';
import { checkModel } from '../../src/inference/onnx/model-check.js';
import { OnnxEngine } from '../../src/inference/onnx/onnx-engine.js';

/** Written by scripts/fixtures/models.py: what skl2onnx and onnxmltools export, and what scikit-learn answers. */
interface Expected {
  label: string[];
  probabilities?: number[][];
  scores?: number[][];
  distances?: number[][];
}
const pathOf = (name: string) => fileURLToPath(new URL(`../fixtures/models/${name}`, import.meta.url));
const expected = JSON.parse(readFileSync(pathOf('exported.json'), 'utf8')) as Record<string, Expected> & {
  rows: number[][];
  'xgboost-regressor': { value: number[] };
  tfidf: Expected & { texts: string[] };
};

let engine: OnnxEngine;
beforeAll(() => {
  engine = new OnnxEngine();
});
afterAll(() => engine.close());

const iris: Tensor[] = [
  { name: 'X', datatype: 'FP32', shape: [expected.rows.length, 4], data: Float32Array.from(expected.rows.flat()) },
];

async function answersOf(name: string, inputs: Tensor[]): Promise<{ signature: Signature; outputs: Tensor[] }> {
  const path = pathOf(`${name}.onnx`);
  const { signature } = await checkModel(path);
  await engine.load({ modelId: name, path });
  return { signature, outputs: (await engine.infer(name, inputs, { deadlineMs: 10_000 })).outputs };
}

const near = (values: readonly number[]) => values.map((value) => expect.closeTo(value, 3) as number);

describe('the files that exporters make from scikit-learn’s models', () => {
  it.each([
    ['logistic', 'PROBABILITIES', true],
    ['neighbours', 'PROBABILITIES', false],
    ['gaussian-mixture', 'PROBABILITIES', true],
    ['svc', 'SCORES', true],
    ['one-class-svm', 'SCORES', true],
    ['isolation-forest', 'SCORES', true],
    ['kmeans', 'DISTANCES', true],
  ] as const)('%s: its answers are named correctly (%s)', async (name, meaning, proven) => {
    const { signature, outputs } = await answersOf(name, iris);
    expect(signature.rowIndependence).toMatchObject({ proven });
    expect(signature.outputs.map((output) => output.meaning)).toEqual([
      meaning === 'DISTANCES' ? 'CLUSTER' : 'LABEL',
      meaning,
    ]);
    const rows = expected.rows.length;
    const predictions = rowPredictions(readAnswers(outputs, rows, signature));
    const wanted = expected[name]!;
    expect(predictions.map(({ label }) => label)).toEqual(wanted.label);
    predictions.forEach((prediction, row) => {
      expect(prediction.probabilities).toEqual(meaning === 'PROBABILITIES' ? near(wanted.probabilities![row]!) : null);
      expect(prediction.scores).toEqual(meaning === 'SCORES' ? near(wanted.scores![row]!) : null);
      const own = wanted.distances?.[row]![Number(wanted.label[row])];
      expect(prediction.value).toEqual(own === undefined ? null : near([own])[0]);
    });
    const kinds = new Set(predictionColumns(outputs, rows, signature).map((column) => column.name.replace(/_\d$/, '')));
    expect([...kinds]).toEqual(
      {
        PROBABILITIES: ['prediction_label', 'prediction_probability'],
        SCORES: ['prediction_label', 'prediction_score'],
        DISTANCES: ['prediction_cluster', 'prediction_distance'],
      }[meaning],
    );
    // A version that was registered before meanings were recorded: values outside of 0 to 1 are never probabilities.
    const old = rowPredictions(readAnswers(outputs, rows));
    expect(old.every(({ probabilities }) => (probabilities === null) === (meaning !== 'PROBABILITIES'))).toBe(true);
  });

  it('a regressor that imports only ai.onnx.ml', async () => {
    const { signature, outputs } = await answersOf('xgboost-regressor', iris);
    expect(signature.rowIndependence).toEqual({ proven: true, reason: null });
    const predictions = rowPredictions(readAnswers(outputs, expected.rows.length, signature));
    expect(predictions.map(({ value }) => value)).toEqual(near(expected['xgboost-regressor'].value));
  });

  it('words counted by TfidfVectorizer: requests at the same time get scikit-learn’s answers', async () => {
    const { texts, label, probabilities } = expected.tfidf;
    const { signature } = await answersOf('tfidf', [
      { name: 'text', datatype: 'BYTES', shape: [1, 1], data: ['warm'] },
    ]);
    expect(signature.rowIndependence).toEqual({ proven: true, reason: null });
    const before = engine.stats();
    const answers = await Promise.all(
      texts.map(async (text) => {
        const inputs: Tensor[] = [{ name: 'text', datatype: 'BYTES', shape: [1, 1], data: [text] }];
        const { outputs, batchRows } = await engine.infer('tfidf', inputs, { deadlineMs: 10_000 });
        return { ...rowPredictions(readAnswers(outputs, 1, signature))[0]!, batchRows };
      }),
    );
    expect(answers.map((answer) => answer.label)).toEqual(label);
    answers.forEach((answer, row) => expect(answer.probabilities).toEqual(near(probabilities![row]!)));
    expect(Math.max(...answers.map(({ batchRows }) => batchRows))).toBeGreaterThan(1);
    expect(engine.stats().batches - before.batches).toBeLessThan(texts.length);
  });
});
