import { OnnxEngine } from '../../src/inference/onnx/onnx-engine.js';
import { runtimeContract } from './runtime.contract.js';

runtimeContract('ONNX', () => Promise.resolve(new OnnxEngine()));
