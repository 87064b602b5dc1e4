import { type ConversionService, CONVERSION } from '../../modules/registry/index.js';
import { defineJob } from '../engine/define-job.js';

export const conversionJob = defineJob({
  ...CONVERSION,
  run: ({ conversions }: { conversions: ConversionService }, attempt) => conversions.execute(attempt),
});
