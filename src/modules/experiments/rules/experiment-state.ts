import { conflict } from '../../../errors.js';
import { StateMachine } from '../../core/index.js';

/** The columns with the state of an experiment. */
export interface ExperimentStateColumns {
  id: string;
  state: 'ACTIVE' | 'DELETED';
  importJobId?: string | null;
}

/**
 * IMPORTING: only a part of it has been imported. It counts as deleted, so that garbage collection removes what a
 * failed import leaves.
 */
export type ExperimentState = 'ACTIVE' | 'DELETED' | 'IMPORTING';

/** Another job can continue an import. A new experiment is ACTIVE or IMPORTING. */
export const EXPERIMENT_STATE = new StateMachine<ExperimentState>('An experiment', {
  ACTIVE: ['DELETED'],
  DELETED: ['ACTIVE'],
  IMPORTING: ['ACTIVE', 'IMPORTING'],
});

export const stateOf = ({ state, importJobId }: ExperimentStateColumns): ExperimentState =>
  importJobId == null ? state : 'IMPORTING';

/** CONFLICT for a deleted experiment. */
export function requireActive({ id, state }: ExperimentStateColumns): void {
  if (state === 'ACTIVE') return;
  throw conflict(`Experiment ${id} is deleted; restore it to change it.`, {
    expected: 'an active experiment',
    got: state,
  });
}

/** CONFLICT for an active experiment, and for one that is being imported. */
export function requireRestorable(experiment: ExperimentStateColumns): void {
  if (experiment.state === 'ACTIVE')
    throw conflict(`Experiment ${experiment.id} is active.`, { expected: 'a deleted experiment', got: 'ACTIVE' });
  requireWhole(experiment);
}

/** CONFLICT for an experiment of which only a part has been imported. */
export function requireWhole({ id, importJobId }: Pick<ExperimentStateColumns, 'id' | 'importJobId'>): void {
  if (importJobId == null) return;
  throw conflict(
    `Experiment ${id} is not complete: its import has not finished. Import the archive again, or have it collected ` +
      'as garbage.',
    { expected: 'an experiment that is whole', got: `what job ${importJobId} has brought so far` },
  );
}
