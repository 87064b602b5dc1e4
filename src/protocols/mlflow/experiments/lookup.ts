import type { Session } from '../../../db/database.js';
import type { Experiment } from '../../../db/entities/experiments/experiment.entity.js';
import type { Run } from '../../../db/entities/experiments/run.entity.js';
import type { Services } from '../../../services.js';
import { readRunDetails } from '../../../modules/experiments/index.js';
import { doesNotExist, invalidParameter } from '../errors.js';
import { DEFAULT_EXPERIMENT, experimentIdOf } from '../ids.js';
import { toRun } from './views.js';

/** The experiment that a text names; the tenant's default one for "0" and for an empty text. */
export async function findExperiment(session: Session, services: Services, text: string): Promise<Experiment> {
  if (text === '' || text === DEFAULT_EXPERIMENT) return services.experiments.default(session);
  const id = experimentIdOf(text);
  const experiment = id === null ? null : await services.experiments.find(session, id);
  if (!experiment) throw doesNotExist(`No Experiment with id=${text} exists`);
  return experiment;
}

export async function findActiveExperiment(session: Session, services: Services, text: string): Promise<Experiment> {
  const experiment = await findExperiment(session, services, text);
  if (experiment.state === 'ACTIVE') return experiment;
  throw invalidParameter(`The experiment ${text} must be in the 'active' state. Current state is deleted.`);
}

/** The ids of this service for the experiment ids of a search; ids of no experiment find nothing. */
export async function fromExperimentIds(session: Session, services: Services, texts: string[]): Promise<string[]> {
  const others = texts.flatMap((text) => (text === DEFAULT_EXPERIMENT ? [] : (experimentIdOf(text) ?? [])));
  return texts.includes(DEFAULT_EXPERIMENT) ? [(await services.experiments.default(session)).id, ...others] : others;
}

/** Runs with all their logged data, in MLflow's format. */
export async function showRuns(session: Session, services: Services, runs: Run[]): Promise<object[]> {
  const experiments = await services.experiments.addressesOf(
    session,
    runs.map(({ experimentId }) => experimentId),
  );
  const detailsOf = await readRunDetails(
    session,
    runs.map(({ id }) => id),
  );
  return runs.flatMap((run) => {
    const experiment = experiments.get(run.experimentId);
    return experiment ? [toRun(run, experiment, detailsOf(run.id))] : [];
  });
}
