/**
 * Blocks of consecutive points, as columns: the least and the greatest number of each block, their positions, and the
 * position of its first NaN. A single point is a block of one. A block that has only NaN has NaN as its numbers; a
 * block without NaN has 0 as that position.
 */
export interface Blocks {
  lows: readonly number[];
  lowSeqs: readonly number[];
  highs: readonly number[];
  highSeqs: readonly number[];
  nanSeqs: readonly number[];
}

/**
 * Sequence numbers of at most `maxPoints` points that show the same curve. The blocks are divided into intervals of
 * equally many blocks; each interval keeps its least and its greatest number, and its first NaN, which shows a gap.
 * This is the min/max part of M4 (Jugel et al., "M4: A Visualization-Oriented Time Series Data Aggregation", VLDB
 * 2014): a line chart that is not wider than the number of intervals looks the same as with all points, except between
 * the two extremes of an interval.
 */
export function thin(blocks: Blocks, maxPoints: number): Set<number> {
  const { lows, lowSeqs, highs, highSeqs, nanSeqs } = blocks;
  const count = lows.length;
  const hasNaN = nanSeqs.some((seq) => seq > 0);
  const stretches = Math.min(count, Math.floor(maxPoints / (hasNaN ? 3 : 2)));
  const kept = new Set<number>();
  for (let stretch = 0, i = 0; stretch < stretches; stretch++) {
    const end = Math.floor(((stretch + 1) * count) / stretches);
    let low = -1;
    let high = -1;
    let nan = 0;
    for (; i < end; i++) {
      if (nan === 0) nan = nanSeqs[i]!;
      // False for NaN.
      if (low < 0 ? lows[i]! <= Infinity : lows[i]! < lows[low]!) low = i;
      if (high < 0 ? highs[i]! >= -Infinity : highs[i]! > highs[high]!) high = i;
    }
    if (low >= 0) kept.add(lowSeqs[low]!);
    if (high >= 0) kept.add(highSeqs[high]!);
    if (nan > 0) kept.add(nan);
  }
  return kept;
}

/** Turns points into blocks of one point. */
export function blocksOfPoints(seqs: readonly number[], values: readonly number[]): Blocks {
  return {
    lows: values,
    lowSeqs: seqs,
    highs: values,
    highSeqs: seqs,
    nanSeqs: seqs.map((seq, i) => (Number.isNaN(values[i]) ? seq : 0)),
  };
}

export function joinBlocks(first: Blocks, second: Blocks): Blocks {
  const both = <K extends keyof Blocks>(key: K) => [...first[key], ...second[key]];
  return {
    lows: both('lows'),
    lowSeqs: both('lowSeqs'),
    highs: both('highs'),
    highSeqs: both('highSeqs'),
    nanSeqs: both('nanSeqs'),
  };
}
