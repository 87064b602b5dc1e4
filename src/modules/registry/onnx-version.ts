import type { ModelVersion, OnnxVersion } from '../../db/entities/registry/model-version.entity.js';
import { conflict } from '../../errors.js';

/** CONFLICT for a version that was registered with files of another framework and is not converted yet. */
export function requireOnnx(version: ModelVersion): OnnxVersion {
  if (version.objectKey == null || version.signature == null) {
    throw conflict(`Version ${version.version} has no model.onnx: convert it first (convertModelVersion).`, {
      expected: 'a version with a model.onnx',
      got: version.framework ?? 'files of another framework',
    });
  }
  return version as OnnxVersion;
}

/** CONFLICT for a version whose files are not stored. */
export function requireStored(version: ModelVersion): void {
  if (version.status !== 'READY')
    throw conflict(`Version ${version.version} is ${version.status}.`, {
      expected: 'a READY version',
      got: version.status,
    });
}

/** A version that can be evaluated: its files are stored, including model.onnx. Otherwise CONFLICT. */
export function requireReady(version: ModelVersion): OnnxVersion {
  requireStored(version);
  return requireOnnx(version);
}
