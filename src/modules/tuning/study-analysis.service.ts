import type { ImportanceAnalyst } from '../../adapters/evaluator/port.js';
import type { Study } from '../../db/entities/tuning/study.entity.js';
import type { Trial } from '../../db/entities/tuning/trial.entity.js';
import type { Session } from '../../db/database.js';
import { badInput } from '../../errors.js';
import {
  axisPositions,
  type AxisKind,
  IMPORTANCE_TREES,
  MAX_IMPORTANCE_RUNS,
  numberAxis,
  paramAxis,
  type ParamAxis,
  type ParameterImportance,
} from '../statistics/index.js';
import { PED_ANOVA_METHOD, pedAnova, type ParameterShare } from './rules/importance.js';
import { isFeasible, toMinimise } from './rules/objectives.js';
import { paretoFront } from './rules/pareto.js';
import type { ParameterSpace } from './rules/space.js';
import type { TrialRecord } from './rules/study.js';
import { ANALYSED_TRIALS, completeTrials, type CompleteTrial, resultsOf, trialsByNumber } from './stores/trials.js';

/** A trial in the order of the study, and the best value until then. */
export interface HistoryPoint {
  number: number;
  value: number;
  isFeasible: boolean;
  /** The best feasible value of this trial and those before it; null before the first one. */
  best: number | null;
  endedAt: Date | null;
}

export interface StudyAxis {
  source: 'PARAMETER' | 'METRIC';
  key: string;
  kind: AxisKind;
  low: number | null;
  high: number | null;
  categories: string[];
  direction: 'MINIMIZE' | 'MAXIMIZE' | null;
}

export interface StudyLine {
  number: number;
  positions: (number | null)[];
  texts: (string | null)[];
}

export interface ContourPoint {
  number: number;
  x: number;
  y: number;
  value: number;
}

type Shown = Pick<Study, 'id' | 'spec'>;

/** What the complete trials of a study show together. */
export class StudyAnalysisService {
  constructor(private readonly analyst: ImportanceAnalyst) {}

  async history(session: Session, study: Shown, objective: number): Promise<HistoryPoint[]> {
    const { direction } = objectiveOf(study, objective);
    let best: number | null = null;
    const points: HistoryPoint[] = [];
    for (const { number, values, violations, endedAt } of await resultsOf(session, study.id)) {
      const value = values[objective]!;
      const feasible = isFeasible(violations);
      if (feasible && (best === null || toMinimise(value, { direction }) < toMinimise(best, { direction })))
        best = value;
      points.push({ number, value, isFeasible: feasible, best, endedAt });
    }
    return points.slice(-ANALYSED_TRIALS);
  }

  /** The feasible trials that no other one beats in every objective, by the first objective, the best first. */
  async paretoFront(session: Session, study: Shown): Promise<Trial[]> {
    const { objectives } = study.spec;
    const points = (await resultsOf(session, study.id))
      .filter(({ violations }) => isFeasible(violations))
      .map(({ number, values }) => ({ number, values: values.map((value, k) => toMinimise(value, objectives[k]!)) }));
    const front = paretoFront(points).sort((a, b) => a.values[0]! - b.values[0]! || a.number - b.number);
    const found = await trialsByNumber(
      session,
      study.id,
      front.map(({ number }) => number),
    );
    return front.flatMap(({ number }) => found.get(number) ?? []);
  }

  async parallelCoordinates(session: Session, study: Shown): Promise<{ axes: StudyAxis[]; lines: StudyLine[] }> {
    const { space, objectives } = study.spec;
    const trials = await completeTrials(session, study.id);
    const columns = [
      ...space.parameters.map((parameter) => {
        const { axis, texts } = columnOf(parameter, trials);
        return { axis, texts, shown: shown('PARAMETER', parameter.name, axis, null) };
      }),
      ...objectives.map(({ metric, direction }, k) => {
        const axis = numberAxis(trials.map(({ values }) => values[k]!));
        return {
          ...{ axis, texts: trials.map(({ values }) => String(values[k])) },
          shown: shown('METRIC', metric, axis, direction),
        };
      }),
    ];
    const positions = columns.map(({ axis }) => axisPositions(axis));
    return {
      axes: columns.map((column) => column.shown),
      lines: trials.map(({ number }, i) => ({
        number,
        positions: positions.map((of) => of[i]!),
        texts: columns.map(({ texts }) => texts[i]!),
      })),
    };
  }

  /** Trials over two parameters, for a contour plot; positions are from 0 to 1 on the axes. */
  async contour(
    session: Session,
    study: Shown,
    { x, y, objective }: { x: string; y: string; objective: number },
  ): Promise<{ axes: StudyAxis[]; points: ContourPoint[] }> {
    objectiveOf(study, objective);
    const trials = await completeTrials(session, study.id);
    const [horizontal, vertical] = [parameterOf(study, 'x', x), parameterOf(study, 'y', y)].map((parameter) => {
      const { axis } = columnOf(parameter, trials);
      return { positions: axisPositions(axis), shown: shown('PARAMETER', parameter.name, axis, null) };
    });
    const points = trials.flatMap(({ number, values }, i): ContourPoint[] => {
      const [across, up] = [horizontal!.positions[i]!, vertical!.positions[i]!];
      // One of the parameters has no meaning in this trial.
      return across === null || up === null ? [] : [{ number, x: across, y: up, value: values[objective]! }];
    });
    return { axes: [horizontal!.shown, vertical!.shown], points };
  }

  /** By fANOVA. Reads in one transaction and computes after it, so that no connection is held meanwhile. */
  async importance(
    read: <T>(work: (session: Session) => Promise<T>) => Promise<T>,
    study: Shown,
    objective: number,
  ): Promise<ParameterImportance & { trialCount: number; metric: string }> {
    const { metric } = objectiveOf(study, objective);
    const trials = (await read((session) => completeTrials(session, study.id))).slice(-MAX_IMPORTANCE_RUNS);
    const answer = await this.analyst.importance({
      params: study.spec.space.parameters.map(({ name }) => ({ key: name, texts: textsOf(name, trials) })),
      metric: trials.map(({ values }) => values[objective]!),
      trees: IMPORTANCE_TREES,
      seed: study.spec.seed,
    });
    return { ...answer, trialCount: trials.length, metric };
  }

  /** By PED-ANOVA, for all objectives together. Errors: those of `pedAnova`. */
  async importanceAmongBest(
    session: Session,
    study: Shown,
  ): Promise<{ method: string; trialCount: number; params: ParameterShare[] }> {
    const { space, objectives } = study.spec;
    const records = (await completeTrials(session, study.id)).map(({ number, params, values }): TrialRecord => ({
      ...{ number, state: 'COMPLETE', params, curve: [] },
      values: values.map((value, k) => toMinimise(value, objectives[k]!)),
    }));
    const params = pedAnova(space, records, objectives.length);
    return { method: PED_ANOVA_METHOD, trialCount: records.length, params };
  }
}

function objectiveOf({ spec: { objectives } }: Shown, index: number) {
  const objective = objectives[index];
  if (!objective) throw badInput('objective', `the number of an objective, 0 to ${objectives.length - 1}`, index);
  return objective;
}

function parameterOf({ spec: { space } }: Shown, field: string, name: string): ParameterSpace {
  const found = space.parameters.find((parameter) => parameter.name === name);
  if (found) return found;
  throw badInput(field, `a parameter of the space (${space.parameters.map((one) => one.name).join(', ')})`, name);
}

function textsOf(name: string, trials: readonly CompleteTrial[]): (string | null)[] {
  return trials.map(({ params }) => (params[name] === undefined ? null : String(params[name])));
}

/** The scale of the space, where it says one. */
function columnOf(parameter: ParameterSpace, trials: readonly CompleteTrial[]) {
  const texts = textsOf(parameter.name, trials);
  if (parameter.kind === 'CATEGORICAL') return { texts, axis: paramAxis(texts) };
  const axis = numberAxis(trials.map(({ params }) => (params[parameter.name] as number | undefined) ?? null));
  return { texts, axis: { ...axis, kind: parameter.log ? ('LOG' as const) : ('LINEAR' as const) } };
}

function shown(
  source: StudyAxis['source'],
  key: string,
  { kind, low, high, categories, values }: ParamAxis,
  direction: StudyAxis['direction'],
): StudyAxis {
  const hasNumbers = kind !== 'CATEGORICAL' && values.some((value) => value !== null);
  return { source, key, kind, low: hasNumbers ? low : null, high: hasNumbers ? high : null, categories, direction };
}
