import type { ModelVersion, OnnxVersion } from '../../db/entities/registry/model-version.entity.js';
import { conflict } from '../../errors.js';
import type { LanguageModel } from './rules/language-model.js';

/** CONFLICT for a version that was registered with files of another framework and is not converted yet. */
export function requireOnnx(version: ModelVersion): OnnxVersion {
  if (version.languageModel != null) {
    throw conflict(`Version ${version.version} is a language model: use it by chat or complete at an endpoint.`, {
      expected: 'a version with a model.onnx',
      got: 'a language model',
    });
  }
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

/** CONFLICT for a version that is no language model. */
export function requireLanguageModel({
  version,
  languageModel,
}: Pick<ModelVersion, 'version' | 'languageModel'>): LanguageModel {
  if (languageModel == null)
    throw conflict(`Version ${version} is not a language model.`, {
      expected: 'a version that was registered with languageModel',
      got: 'a version with files',
    });
  return languageModel;
}
