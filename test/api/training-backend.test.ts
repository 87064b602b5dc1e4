import { startTestService } from '../support/service.js';
import { trainingBackendContract } from './training-backend.contract.js';

trainingBackendContract({
  backend: 'LOCAL',
  algorithm: 'BOOSTED_TREES_CLASSIFIER',
  open: async () => {
    const service = await startTestService();
    return { tess: await service.as(), close: () => service.close() };
  },
  openMs: 120_000,
  trainingMs: 60_000,
  longEpochs: 120,
});
