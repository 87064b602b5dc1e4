import type { ConversionOutcome, SampleRows } from '../../modules/model-contract/index.js';

export interface ConversionRequest {
  /** Folder with an MLmodel file and what it names. */
  modelDir: string;
  /** Where the model.onnx of a CONVERTED or DISAGREES outcome is put. */
  outputPath: string;
  /** Null for the input example that came with the model, or random rows. */
  sample: SampleRows | null;
  tolerance: number;
}

/**
 * Converts a model of another framework to ONNX. The model is untrusted code: it runs isolated from everything else.
 * Errors: UNAVAILABLE (no converter is set up, the process could not start).
 */
export interface ModelConverter {
  /** What keeps it from converting at all, as a sentence that says what to do; null when it can. */
  problem(): Promise<string | null>;
  convert(request: ConversionRequest, signal: AbortSignal): Promise<ConversionOutcome>;
}
