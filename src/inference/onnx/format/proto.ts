import onnxProto from 'onnx-proto';

// The package is CommonJS in one bundle, so its namespace is only reachable through the default export.
export const { onnx } = onnxProto;

export type ModelProto = onnxProto.onnx.IModelProto;
export type GraphProto = onnxProto.onnx.IGraphProto;
export type NodeProto = onnxProto.onnx.INodeProto;
export type TensorProto = onnxProto.onnx.ITensorProto;
export type ValueInfoProto = onnxProto.onnx.IValueInfoProto;
export type FunctionProto = onnxProto.onnx.IFunctionProto;
export type AttributeProto = onnxProto.onnx.IAttributeProto;

/** Throws the errors of protobufjs for bytes that are not a model. */
export function decodeModel(bytes: Uint8Array): ModelProto {
  return onnx.ModelProto.decode(bytes);
}

export function encodeModel(model: ModelProto): Uint8Array {
  return onnx.ModelProto.encode(model).finish();
}

/** `metadata_props` as a plain object. */
export function metadataOf(model: ModelProto): Record<string, string> {
  return Object.fromEntries((model.metadataProps ?? []).map((entry) => [entry.key ?? '', entry.value ?? '']));
}
