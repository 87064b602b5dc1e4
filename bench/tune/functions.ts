// Standard functions of bench:tune. All objectives are minimised; violations are soft constraints, met at 0 or below.
import type { ParameterSpace, Params, SearchSpace } from '../../src/modules/tuning/rules/space.ts';

/** What a trial of a problem gives. */
export interface Outcome {
  values: number[];
  violations?: number[];
}

export interface Problem {
  name: string;
  kind: 'plain' | 'conditional' | 'constrained' | 'objectives' | 'training';
  space: SearchSpace;
  evaluate(params: Params): Outcome | Promise<Outcome>;
  /** The least value of one objective. Absent when nobody knows it: then it is the least one that was found. */
  ideal?: number;
  /** Several objectives: the reference point and the hypervolume of the true front. */
  front?: { reference: number[]; hypervolume: number };
}

type Given = Omit<Problem, 'kind' | 'space'> & { kind?: Problem['kind'] };

const float = (name: string, low: number, high: number, log = false): ParameterSpace => ({
  name,
  kind: 'FLOAT',
  low,
  high,
  log,
});
const floats = (count: number, low: number, high: number): ParameterSpace[] =>
  Array.from({ length: count }, (_, i) => float(`x${i + 1}`, low, high));
const numbers = (params: Params): number[] => Object.values(params).map(Number);
const problem = (parameters: ParameterSpace[], given: Given): Problem => ({
  kind: 'plain',
  ...given,
  space: { parameters, constraints: [] },
});

function branin([x = 0, y = 0]: number[]): number {
  const inner = y - (5.1 / (4 * Math.PI ** 2)) * x * x + (5 / Math.PI) * x - 6;
  return inner ** 2 + 10 * (1 - 1 / (8 * Math.PI)) * Math.cos(x) + 10;
}

const HARTMANN = {
  weights: [1, 1.2, 3, 3.2],
  scales: [
    [10, 3, 17, 3.5, 1.7, 8],
    [0.05, 10, 17, 0.1, 8, 14],
    [3, 3.5, 1.7, 10, 17, 8],
    [17, 8, 0.05, 10, 0.1, 14],
  ],
  centers: [
    [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
    [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
    [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.665],
    [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
  ],
};

function hartmann(x: number[]): number {
  return -HARTMANN.weights.reduce((sum, weight, i) => {
    const distance = x.reduce(
      (all, value, d) => all + HARTMANN.scales[i]![d]! * (value - HARTMANN.centers[i]![d]!) ** 2,
      0,
    );
    return sum + weight * Math.exp(-distance);
  }, 0);
}

function rosenbrock(x: number[]): number {
  return x.slice(1).reduce((sum, value, i) => sum + 100 * (value - x[i]! ** 2) ** 2 + (1 - x[i]!) ** 2, 0);
}

function ackley(x: number[]): number {
  const mean = (of: (value: number) => number): number => x.reduce((sum, value) => sum + of(value), 0) / x.length;
  const root = Math.sqrt(mean((value) => value * value));
  return 20 - 20 * Math.exp(-0.2 * root) + Math.E - Math.exp(mean((value) => Math.cos(2 * Math.PI * value)));
}

/** The tree-structured function of Jenatton et al. (2017): a leaf has a parameter of its own and a shared one. */
function jenatton(p: Params): number {
  const n = (name: string): number => Number(p[name]);
  if (p['b1'] === 0) return p['b2'] === 0 ? n('x4') ** 2 + 0.1 + n('r8') : n('x5') ** 2 + 0.2 + n('r8');
  return p['b3'] === 0 ? n('x6') ** 2 + 0.3 + n('r9') : n('x7') ** 2 + 0.4 + n('r9');
}

const choice = (
  name: string,
  choices: readonly (number | string)[],
  when?: ParameterSpace['when'],
): ParameterSpace => ({
  name,
  kind: 'CATEGORICAL',
  choices,
  when,
});
const under = (parameter: string, ...oneOf: (number | string)[]) => ({ when: { parameter, oneOf } });

/** Choosing one of three algorithms with parameters of their own, as in AutoML: the best one needs two right. */
function algorithms(p: Params): number {
  const n = (name: string): number => Number(p[name]);
  if (p['algorithm'] === 'linear') return 0.35 + 0.02 * (Math.log10(n('l2')) + 2) ** 2;
  if (p['algorithm'] === 'trees')
    return 0.2 + 0.05 * (Math.log10(n('rate')) + 1) ** 2 + 0.002 * (n('depth') - 6) ** 2 + 0.1 * (n('rows') - 0.8) ** 2;
  const size = Math.log2(n('units'));
  return (
    0.1 + 0.15 * (Math.log10(n('step')) + 3 + 0.2 * (size - 6)) ** 2 + 0.02 * (size - 7) ** 2 + 0.3 * n('dropout') ** 2
  );
}

/** Kinds mixed as in a training: logarithmic, whole, stepped and chosen parameters that depend on each other. */
function mixed(p: Params): number {
  const n = (name: string): number => Number(p[name]);
  const best: Record<string, number> = { adam: -3, sgd: -1.5, rmsprop: -3.5 };
  const rate = Math.log10(n('rate')) - best[String(p['optimizer'])]!;
  const extra = p['optimizer'] === 'adam' ? 0 : p['optimizer'] === 'sgd' ? 0.08 : 0.15;
  const batch = Math.log2(n('batch')) - 6 - rate;
  return extra + 0.2 * rate ** 2 + 0.05 * batch ** 2 + 0.01 * (n('layers') - 3) ** 2 + 0.5 * (n('dropout') - 0.2) ** 2;
}

function zdt1(x: number[]): number[] {
  const g = 1 + (9 * x.slice(1).reduce((sum, value) => sum + value, 0)) / (x.length - 1);
  return [x[0]!, g * (1 - Math.sqrt(x[0]! / g))];
}

function vlmop2(x: number[]): number[] {
  const at = (sign: number): number =>
    1 - Math.exp(-x.reduce((sum, value) => sum + (value - sign / Math.sqrt(x.length)) ** 2, 0));
  return [at(1), at(-1)];
}

/** The area above a front that is given as a curve, to the reference point (1.1, 1.1) and from x = 0 to `end`. */
function areaOf(curve: (t: number) => [number, number], reference: [number, number]): number {
  const steps = 100_000;
  let [area, last] = [0, curve(0)];
  for (let i = 1; i <= steps; i++) {
    const next = curve(i / steps);
    area += (next[0] - last[0]) * (reference[1] - (next[1] + last[1]) / 2);
    last = next;
  }
  return area + (reference[0] - last[0]) * (reference[1] - last[1]);
}

export const FUNCTIONS: Problem[] = [
  problem([float('x1', -5, 10), float('x2', 0, 15)], {
    name: 'Branin',
    ideal: 0.397_887,
    evaluate: (params) => ({ values: [branin(numbers(params))] }),
  }),
  problem(floats(6, 0, 1), {
    name: 'Hartmann 6',
    ideal: -3.322_37,
    evaluate: (params) => ({ values: [hartmann(numbers(params))] }),
  }),
  problem(floats(4, -2.048, 2.048), {
    name: 'Rosenbrock 4',
    ideal: 0,
    evaluate: (params) => ({ values: [rosenbrock(numbers(params))] }),
  }),
  problem(floats(10, -32.768, 32.768), {
    name: 'Ackley 10',
    ideal: 0,
    evaluate: (params) => ({ values: [ackley(numbers(params))] }),
  }),
  problem(
    [
      float('rate', 1e-6, 1, true),
      { name: 'batch', kind: 'INTEGER', low: 1, high: 1024, log: true },
      { name: 'layers', kind: 'INTEGER', low: 1, high: 8 },
      { name: 'dropout', kind: 'FLOAT', low: 0, high: 0.9, step: 0.1 },
      choice('optimizer', ['adam', 'sgd', 'rmsprop']),
    ],
    { name: 'mixed kinds', ideal: 0, evaluate: (params) => ({ values: [mixed(params)] }) },
  ),
  problem(
    [
      choice('b1', [0, 1]),
      { ...choice('b2', [0, 1]), ...under('b1', 0) },
      { ...choice('b3', [0, 1]), ...under('b1', 1) },
      { ...float('x4', -1, 1), ...under('b2', 0) },
      { ...float('x5', -1, 1), ...under('b2', 1) },
      { ...float('x6', -1, 1), ...under('b3', 0) },
      { ...float('x7', -1, 1), ...under('b3', 1) },
      { ...float('r8', 0, 1), ...under('b1', 0) },
      { ...float('r9', 0, 1), ...under('b1', 1) },
    ],
    { name: 'Jenatton', kind: 'conditional', ideal: 0.1, evaluate: (params) => ({ values: [jenatton(params)] }) },
  ),
  problem(
    [
      choice('algorithm', ['linear', 'trees', 'network']),
      { ...float('l2', 1e-6, 1e2, true), ...under('algorithm', 'linear') },
      { ...float('rate', 1e-4, 1, true), ...under('algorithm', 'trees') },
      { name: 'depth', kind: 'INTEGER', low: 1, high: 16, ...under('algorithm', 'trees') },
      { ...float('rows', 0.1, 1), ...under('algorithm', 'trees') },
      { ...float('step', 1e-6, 1, true), ...under('algorithm', 'network') },
      { name: 'units', kind: 'INTEGER', low: 4, high: 1024, log: true, ...under('algorithm', 'network') },
      { ...float('dropout', 0, 0.9), ...under('algorithm', 'network') },
    ],
    {
      name: 'three algorithms',
      kind: 'conditional',
      ideal: 0.1,
      evaluate: (params) => ({ values: [algorithms(params)] }),
    },
  ),
  problem([float('x1', 0, 6), float('x2', 0, 6)], {
    name: 'Gardner',
    kind: 'constrained',
    ideal: -2,
    evaluate: (params) => {
      const [x = 0, y = 0] = numbers(params);
      const constraint = Math.cos(x) * Math.cos(y) - Math.sin(x) * Math.sin(y) - 0.5;
      return { values: [Math.cos(2 * x) * Math.cos(y) + Math.sin(x)], violations: [constraint] };
    },
  }),
  problem([float('x1', -2.25, 2.5), float('x2', -2.5, 1.75)], {
    name: 'Townsend',
    kind: 'constrained',
    ideal: -2.0239884,
    evaluate: (params) => {
      const [x = 0, y = 0] = numbers(params);
      const value = -(Math.cos((x - 0.1) * y) ** 2) - x * Math.sin(3 * x + y);
      const t = Math.atan2(x, y);
      const edge =
        (2 * Math.cos(t) - 0.5 * Math.cos(2 * t) - 0.25 * Math.cos(3 * t) - 0.125 * Math.cos(4 * t)) ** 2 +
        (2 * Math.sin(t)) ** 2;
      return { values: [value], violations: [x * x + y * y - edge] };
    },
  }),
  problem(floats(5, 0, 1), {
    name: 'ZDT1',
    kind: 'objectives',
    front: { reference: [1.1, 5], hypervolume: areaOf((t) => [t, 1 - Math.sqrt(t)], [1.1, 5]) },
    evaluate: (params) => ({ values: zdt1(numbers(params)) }),
  }),
  problem(floats(4, -2, 2), {
    name: 'VLMOP2',
    kind: 'objectives',
    front: {
      reference: [1.1, 1.1],
      hypervolume: areaOf((t) => vlmop2(Array(4).fill((1 - 2 * t) / 2) as number[]) as [number, number], [1.1, 1.1]),
    },
    evaluate: (params) => ({ values: vlmop2(numbers(params)) }),
  }),
];
