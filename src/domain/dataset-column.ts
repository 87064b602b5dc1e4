/** Numbers; booleans as 0 and 1; timestamps as epoch milliseconds (UTC). Missing is NaN. */
export interface NumberColumn {
  name: string;
  type: 'NUMBER' | 'BOOLEAN' | 'TIMESTAMP';
  values: Float64Array;
}

export interface TextColumn {
  name: string;
  type: 'STRING';
  values: (string | null)[];
}

/** A column of a dataset, in memory. */
export type Column = NumberColumn | TextColumn;
