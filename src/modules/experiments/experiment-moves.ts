import type { Experiment } from '../../db/entities/experiments/experiment.entity.js';
import { conflict } from '../../errors.js';

export type ExperimentMove =
  | { type: 'DELETE'; deletedAt: Date }
  | { type: 'RESTORE' }
  /** By this job, whether it begins or goes on with what another job left. */
  | { type: 'IMPORT'; jobId: string }
  | { type: 'END_IMPORT' };

/**
 * The only writer of `state`, `deletedAt` and `importJobId`. Whoever calls it has locked the experiment or has just
 * made it. An experiment that is being imported is deleted, so that garbage collection takes what a failure leaves.
 */
export function moveExperiment(experiment: Experiment, move: ExperimentMove): void {
  switch (move.type) {
    case 'DELETE':
      requireActive(experiment);
      Object.assign(experiment, { state: 'DELETED', deletedAt: move.deletedAt });
      return;
    case 'RESTORE':
      requireDeleted(experiment);
      requireWhole(experiment);
      Object.assign(experiment, { state: 'ACTIVE', deletedAt: null });
      return;
    case 'IMPORT':
      if (experiment.state === 'DELETED' && experiment.importJobId == null)
        throw conflict(`Experiment ${experiment.id} is deleted.`, {
          expected: 'one that is being imported',
          got: 'one that is whole',
        });
      Object.assign(experiment, {
        state: 'DELETED',
        deletedAt: experiment.deletedAt ?? new Date(),
        importJobId: move.jobId,
      });
      return;
    case 'END_IMPORT':
      requireDeleted(experiment);
      Object.assign(experiment, { state: 'ACTIVE', deletedAt: null, importJobId: null });
  }
}

export function requireActive({ id, state }: Experiment): void {
  if (state === 'ACTIVE') return;
  throw conflict(`Experiment ${id} is deleted; restore it to change it.`, {
    expected: 'an active experiment',
    got: state,
  });
}

function requireDeleted({ id, state }: Experiment): void {
  if (state === 'DELETED') return;
  throw conflict(`Experiment ${id} is active.`, { expected: 'a deleted experiment', got: state });
}

/** CONFLICT for an experiment of which only a part has been imported. */
export function requireWhole({ id, importJobId }: Pick<Experiment, 'id' | 'importJobId'>): void {
  if (importJobId == null) return;
  throw conflict(
    `Experiment ${id} is not complete: its import has not finished. Import the archive again, or have it collected ` +
      'as garbage.',
    { expected: 'an experiment that is whole', got: `what job ${importJobId} has brought so far` },
  );
}
