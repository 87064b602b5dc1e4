import { describe, expect, it } from 'vitest';
import {
  type CurveFacts,
  curveWarnings,
  type LossCurve,
  rareClassWarnings,
  trackLoss,
} from '../../src/modules/algorithms/rules/training-warnings.js';

function codesFor(losses: number[], facts: Partial<CurveFacts> = {}): string[] {
  const curve = losses.reduce<LossCurve | undefined>(
    (so, loss, i) => trackLoss(so, i + 1, losses.length, loss),
    undefined,
  )!;
  const warnings = curveWarnings({
    curve,
    epochs: losses.length,
    finished: false,
    converges: false,
    keepsBest: false,
    ...facts,
  });
  for (const { message } of warnings) expect(message).toMatch(/^[A-Z].*\.$/);
  return warnings.map(({ code }) => code);
}

describe('a loss curve', () => {
  it.each<[string, number[], Partial<CurveFacts>, string[]]>([
    ['that is flat at the end', [1, 0.5, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.3999], {}, []],
    ['that still falls', [1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1], {}, ['LOSS_STILL_FALLING']],
    ['that still falls a very little', [1e-6, 9e-7, 8e-7, 7e-7, 1e-7], {}, []],
    ['that was stopped early', [1, 0.9, 0.8, 0.7, 0.6], { finished: true, keepsBest: true }, []],
    ['that rose above its beginning', [0.5, 0.6, 0.9, 1.5, 3], {}, ['LOSS_DIVERGED']],
    ['that rose, its best epoch being kept', [0.5, 0.4, 0.9, 1.5, 3], { keepsBest: true }, []],
    ['that rose after its lowest', [1, 0.5, 0.3, 0.5, 0.8], {}, ['OVERFITTED']],
    ['of a solver that converged', [1, 0.5, 0.3], { converges: true, finished: true }, []],
    ['of a solver that did not', [1, 0.5, 0.3], { converges: true }, ['NOT_CONVERGED']],
    ['of one epoch', [1], {}, []],
    ['that is not finite', [1, Infinity], {}, ['LOSS_DIVERGED']],
  ])('%s', (_, losses, facts, expected) => {
    expect(codesFor(losses, facts)).toEqual(expected);
  });
});

it('a class that is hardly ever predicted is named, and a rare one with enough predictions is not', () => {
  const confusion = [
    [90, 1],
    [19, 0],
  ];
  expect(rareClassWarnings(['early', 'la"te'], confusion)).toEqual([
    {
      code: 'CLASS_RARELY_PREDICTED',
      message:
        'Class "la\\"te" has 19 rows of the holdout and was predicted for 1: set classWeights, or a ' +
        'decisionThreshold, if it matters.',
      figures: [
        { name: 'rows', value: 19 },
        { name: 'predicted', value: 1 },
        { name: 'rightlyPredicted', value: 0 },
      ],
    },
  ]);
  expect(
    rareClassWarnings(
      ['a', 'b'],
      [
        [90, 1],
        [10, 9],
      ],
    ),
  ).toEqual([]);
});
