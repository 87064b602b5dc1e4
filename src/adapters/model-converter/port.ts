import type { ConversionOutcome, SampleRows } from '../../modules/model-contract/index.js';

export interface ConversionRequest {
  /** A folder with an MLmodel file and the files that it names. */
  modelDir: string;
  /** Where to write the model.onnx of a CONVERTED or DISAGREES outcome. */
  outputPath: string;
  /** Null: the input example of the model is used, or random rows. */
  sample: SampleRows | null;
  tolerance: number;
}

/**
 * Converts a model of another framework to ONNX. The model is untrusted code, so it runs isolated from everything else.
 * Errors: UNAVAILABLE (no converter is configured, or the process could not start).
 */
export interface ModelConverter {
  /** Why no model can be converted, as a sentence that says what to do; null when conversion works. */
  problem(): Promise<string | null>;
  convert(request: ConversionRequest, signal: AbortSignal): Promise<ConversionOutcome>;
}
