import { TUNING } from '../../modules/tuning/index.js';
import { defineOutcome } from '../jobs/job-outcome.js';
import { TuningOutcome } from './study.types.js';

export const tuningOutcome = defineOutcome({
  kind: TUNING,
  result: TUNING.result,
  type: TuningOutcome,
  show: ({ trials, ...rest }) => ({ ...rest, ...trials }),
});
