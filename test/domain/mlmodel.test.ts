import fc from 'fast-check';
import { expect, it } from 'vitest';
import { readMlmodel } from '../../src/modules/registry/rules/mlmodel.js';

const NOTHING = { framework: null, signature: null, columns: null, onnxPath: null };

it('reads the library, the columns and the tensors', () => {
  const inputs = [
    { type: 'double', name: 'age', required: true },
    { type: 'string', name: 'city', required: true },
    { type: 'datetime', name: 'at' },
  ];
  const outputs = [{ type: 'tensor', 'tensor-spec': { dtype: 'float32', shape: [-1, 3] } }];
  const parsed = {
    flavors: { python_function: { loader_module: 'mlflow.xgboost' }, xgboost: { data: 'model.ubj' } },
    signature: { inputs: JSON.stringify(inputs), outputs: JSON.stringify(outputs), params: null },
  };
  expect(readMlmodel(parsed)).toEqual({
    framework: 'xgboost',
    onnxPath: null,
    columns: [
      { name: 'age', type: 'NUMBER' },
      { name: 'city', type: 'STRING' },
      { name: 'at', type: 'TIMESTAMP' },
    ],
    signature: {
      inputs: [
        { name: 'age', datatype: 'FP64', shape: [-1] },
        { name: 'city', datatype: 'BYTES', shape: [-1] },
        { name: 'at', datatype: 'BYTES', shape: [-1] },
      ],
      outputs: [{ name: 'output_0', datatype: 'FP32', shape: [-1, 3] }],
    },
  });
});

it('recognizes a model.onnx, Python code alone, and a library without a known name', () => {
  expect(readMlmodel({ flavors: { onnx: { data: 'model.onnx' }, python_function: {} } })).toMatchObject({
    framework: 'onnx',
    onnxPath: 'model.onnx',
  });
  expect(readMlmodel({ flavors: { python_function: {} } }).framework).toBe('pyfunc');
  expect(readMlmodel({ flavors: { python_function: {}, prophet: {} } }).framework).toBe('prophet');
});

it('finds nothing in other forms, and never fails', () => {
  for (const parsed of [null, 7, 'text', [], { flavors: [] }, { flavors: { onnx: 'x' } }, { signature: 'x' }])
    expect(readMlmodel(parsed)).toEqual(NOTHING);
  expect(
    readMlmodel({ flavors: { sklearn: null }, signature: { inputs: '[{"type": 7}]' } }).signature?.inputs[0]?.datatype,
  ).toBe('BYTES');
  expect(readMlmodel({ signature: { inputs: '[{"name": "x", "type": "constructor"}]' } }).columns).toBeNull();
  fc.assert(fc.property(fc.anything(), (parsed) => void readMlmodel(parsed)));
  fc.assert(fc.property(fc.json(), (inputs) => void readMlmodel({ signature: { inputs, outputs: inputs } })));
});
