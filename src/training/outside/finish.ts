import type {
  FinishedOutside,
  RunningTraining,
  TrainingBackend,
  TrainingHooks,
  TrainingOutcome,
  TrainingRequest,
} from '../port.js';

/** Share of the whole progress after which only the check of the model is left. */
const TRAINED_SHARE = 0.95;

/** Evaluates, checks and exports on this machine what was trained outside. */
export async function finishOutside(
  local: TrainingBackend,
  { config, data, workDir, finishedFolds }: Pick<TrainingRequest, 'config' | 'data' | 'workDir' | 'finishedFolds'>,
  finished: FinishedOutside,
  hooks: Pick<TrainingHooks, 'onProgress' | 'onWarning' | 'onFold'>,
  signal: AbortSignal,
): Promise<TrainingOutcome> {
  signal.throwIfAborted();
  const checking: RunningTraining = local.start(
    { config, data, workDir, finished, finishedFolds },
    {
      onProgress: (fraction, message) => hooks.onProgress(TRAINED_SHARE + (1 - TRAINED_SHARE) * fraction, message),
      onWarning: hooks.onWarning,
      onEpoch: async () => undefined,
      onCheckpoint: async () => undefined,
      onFold: hooks.onFold,
    },
  );
  signal.addEventListener('abort', checking.cancel, { once: true });
  try {
    return await checking.outcome;
  } finally {
    signal.removeEventListener('abort', checking.cancel);
  }
}
