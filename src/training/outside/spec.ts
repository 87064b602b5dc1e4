import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TrainingConfig } from '../../modules/algorithms/index.js';
import type { Team } from '../port.js';
import type { PreparedTraining } from './prepare.js';

interface Given {
  config: TrainingConfig;
  prepared: PreparedTraining;
  team: Team;
  /** Of each process. */
  threads: number;
  /** Whether the file `resume` has a checkpoint. */
  resumes: boolean;
}

/** Writes what the work is to do into this folder, as `python/matih_ml/train/spec.py` reads it; returns the path. */
export async function writeSpec(folder: string, { config, prepared, team, threads, resumes }: Given): Promise<string> {
  const { algorithm, hyperparameters, earlyStopping, checkpointEveryEpochs, seed } = config;
  const spec = {
    ...{ ...prepared, algorithm, hyperparameters, epochs: hyperparameters.epochs, checkpointEveryEpochs, seed },
    ...{
      workers: team.workers,
      strategy: team.strategy ?? null,
      threads,
      resumes,
      earlyStopping: earlyStopping ?? null,
    },
  };
  const path = join(folder, 'spec.json');
  await writeFile(path, JSON.stringify(spec));
  return path;
}
