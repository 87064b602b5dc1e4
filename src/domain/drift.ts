/** Reference distribution of a numeric column. */
export interface NumericReference {
  kind: 'NUMERIC';
  /** Inner edges of the quantile bins, ascending, distinct; k edges make k + 1 bins. */
  edges: number[];
  /** Share of non-missing rows per bin; sums to 1. */
  shares: number[];
  missingShare: number;
  mean: number;
  std: number;
  /** Up to 2,000 values, evenly spaced in the sorted column, for Kolmogorov–Smirnov. */
  sample: number[];
  rows: number;
}

/** Reference distribution of a categorical column; categories beyond the 200 most frequent count as `other`. */
export interface CategoricalReference {
  kind: 'CATEGORICAL';
  counts: Record<string, number>;
  otherCount: number;
  missingShare: number;
  rows: number;
}

/** Predictions (class-1 probability, top-class probability or value) over contiguous reference rows in their time order. */
export interface PredictionReference {
  /** Rows per block; every block is full. */
  blockRows: number;
  blockMeans: number[];
  mean: number;
  std: number;
}

/** What live traffic is compared with. */
export interface ReferenceProfile {
  features: Record<string, NumericReference | CategoricalReference>;
  prediction: PredictionReference;
}
