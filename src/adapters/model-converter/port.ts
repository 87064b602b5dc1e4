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
 * Makes an ONNX model of another framework's. The model is code of a stranger: it runs apart from everything else.
 * Errors: UNAVAILABLE (nothing is set up to convert, the process could not start).
 */
export interface ModelConverter {
  /** What keeps it from converting at all, as a sentence that says what to do; null when it can. */
  problem(): Promise<string | null>;
  convert(request: ConversionRequest, signal: AbortSignal): Promise<ConversionOutcome>;
}
