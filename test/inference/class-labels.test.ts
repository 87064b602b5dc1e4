import { expect, it } from 'vitest';
import { readClassLabels } from '../../src/inference/onnx/format/class-labels.js';
import {
  float,
  integers,
  linear,
  linearClassifier,
  model,
  multilayer,
  node,
  WITH_ML,
} from '../fixtures/models/build.js';

const WEIGHTS = [
  [1, 2],
  [3, 4],
  [5, 6],
];

it('reads the classes that a classifier of ai.onnx.ml names, as texts and as numbers, in its order', () => {
  expect(readClassLabels(linearClassifier(['no', 'Yes', 'yes'], WEIGHTS, [0, 0, 0]))).toEqual(['no', 'Yes', 'yes']);
  expect(readClassLabels(linearClassifier([7, 3, 5], WEIGHTS, [0, 0, 0], [1, 1]))).toEqual(['7', '3', '5']);
});

it('reads a list of classes from which the highest score selects one, and no other table', () => {
  const picked = (position: string) =>
    model(
      {
        input: [float('x', ['N', 3])],
        output: [{ name: 'label', type: { tensorType: { elemType: 7 } } }],
        initializer: [integers('classes', [3], [30, 10, 20])],
        node: [
          node(position, ['x'], ['at']),
          node('ArrayFeatureExtractor', ['classes', 'at'], ['taken'], [], 'ai.onnx.ml'),
          node('Cast', ['taken'], ['label'], [{ name: 'to', type: 2, i: 7 }]),
        ],
      },
      WITH_ML,
    );
  expect(readClassLabels(picked('ArgMax'))).toEqual(['30', '10', '20']);
  expect(readClassLabels(picked('Identity'))).toBeNull();
});

it('finds none when a model names none, or contradicts itself', () => {
  expect(readClassLabels(linear([1, 2], 0))).toBeNull();
  expect(readClassLabels(multilayer([2, 4, 3]))).toBeNull();
  expect(readClassLabels(linearClassifier(['a', 'a', 'b'], WEIGHTS, [0, 0, 0]))).toBeNull();
});
