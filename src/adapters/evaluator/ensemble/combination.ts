/** How the answers of members become one answer. The compiled graph (compile.ts) does the same. */

/** What the members answered for the same rows. */
export type MemberAnswers =
  | {
      task: 'CLASSIFICATION';
      classCount: number;
      /** Of each member: rows × classCount. */
      members: readonly Float32Array[];
      /** Of two classes: the probability from which the member says the second one; undefined for the more probable. */
      thresholds: readonly (number | undefined)[];
    }
  | { task: 'REGRESSION'; members: readonly Float64Array[] };

export type Combination =
  /** The weighted mean of the probabilities, or of the values. */
  | { kind: 'MEAN'; weights: readonly number[] }
  /** The share of the weights that voted for each class. */
  | { kind: 'VOTES'; weights: readonly number[] }
  /**
   * A linear model of the members' answers: a logistic regression or a ridge regression. `coefficients` has a row of
   * outputs for each feature (`metaFeatures`). Two classes have one output: the logit of the second.
   */
  | { kind: 'LINEAR'; coefficients: readonly (readonly number[])[]; intercepts: readonly number[] };

/** The combined answer: probabilities (rows × classCount), or one value per row. */
export function combine(answers: MemberAnswers, combination: Combination): Float64Array {
  switch (combination.kind) {
    case 'MEAN':
      return weightedMean(answers.members, combination.weights);
    case 'VOTES':
      return votes(answers, combination.weights);
    case 'LINEAR':
      return linear(answers, combination);
  }
}

function weightedMean(members: readonly ArrayLike<number>[], weights: readonly number[]): Float64Array {
  const mean = new Float64Array(members[0]!.length);
  for (const [m, values] of members.entries())
    for (let i = 0; i < mean.length; i++) mean[i]! += weights[m]! * values[i]!;
  return mean;
}

function votes(answers: MemberAnswers, weights: readonly number[]): Float64Array {
  if (answers.task === 'REGRESSION') throw new Error('values have no votes');
  const { members, classCount, thresholds } = answers;
  const shares = new Float64Array(members[0]!.length);
  for (const [m, probabilities] of members.entries())
    for (let start = 0; start < shares.length; start += classCount)
      shares[start + votedClass(probabilities, start, classCount, thresholds[m])]! += weights[m]!;
  return shares;
}

/** The class that a member says; of equally probable ones the first. */
export function votedClass(
  probabilities: ArrayLike<number>,
  start: number,
  classCount: number,
  threshold: number | undefined,
): number {
  // The graph compares in single precision.
  if (threshold !== undefined) return probabilities[start + 1]! >= Math.fround(threshold) ? 1 : 0;
  let best = 0;
  for (let k = 1; k < classCount; k++) if (probabilities[start + k]! > probabilities[start + best]!) best = k;
  return best;
}

/** Features of a row for a meta-learner: of two classes the second probability of each member, otherwise all. */
export function metaFeatures(answers: MemberAnswers): { width: number; values: Float64Array } {
  const { members } = answers;
  const [per, from, step] =
    answers.task === 'REGRESSION'
      ? [1, 0, 1]
      : answers.classCount === 2
        ? [1, 1, 2]
        : [answers.classCount, 0, answers.classCount];
  const width = members.length * per;
  const rows = members[0]!.length / step;
  const values = new Float64Array(rows * width);
  for (const [m, own] of members.entries())
    for (let row = 0; row < rows; row++)
      for (let k = 0; k < per; k++) values[row * width + m * per + k] = own[row * step + from + k]!;
  return { width, values };
}

function linear(
  answers: MemberAnswers,
  { coefficients, intercepts }: Extract<Combination, { kind: 'LINEAR' }>,
): Float64Array {
  const { width, values } = metaFeatures(answers);
  const rows = values.length / width;
  const outputs = intercepts.length;
  const scores = new Float64Array(rows * outputs);
  for (let row = 0; row < rows; row++)
    for (let k = 0; k < outputs; k++) {
      let score = intercepts[k]!;
      for (let f = 0; f < width; f++) score += values[row * width + f]! * coefficients[f]![k]!;
      scores[row * outputs + k] = score;
    }
  return answers.task === 'REGRESSION' ? scores : probabilitiesOf(scores, outputs);
}

/** From logits; a single one is that of the second of two classes. */
export function probabilitiesOf(scores: Float64Array, outputs: number): Float64Array {
  if (outputs === 1) {
    const both = new Float64Array(scores.length * 2);
    scores.forEach((score, row) => {
      const second = 1 / (1 + Math.exp(-score));
      both[row * 2] = 1 - second;
      both[row * 2 + 1] = second;
    });
    return both;
  }
  const shares = new Float64Array(scores.length);
  for (let start = 0; start < scores.length; start += outputs) {
    const own = scores.subarray(start, start + outputs);
    const highest = own.reduce((a, b) => Math.max(a, b), -Infinity);
    let total = 0;
    for (let k = 0; k < outputs; k++) total += shares[start + k] = Math.exp(own[k]! - highest);
    for (let k = 0; k < outputs; k++) shares[start + k]! /= total;
  }
  return shares;
}
