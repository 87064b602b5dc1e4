import { trainingBackendContract } from '../../api/training-backend.contract.js';
import { startTestService } from '../../support/service.js';
import { freePort, RayHead } from './head.js';

trainingBackendContract({
  backend: 'RAY',
  algorithm: 'XGBOOST_CLASSIFIER',
  open: async () => {
    const head = await RayHead.start();
    const service = await startTestService(head.settings(await freePort()));
    return {
      tess: await service.as(),
      close: async () => {
        await service.close();
        await head.close();
      },
    };
  },
  openMs: 330_000,
  trainingMs: 180_000,
  longEpochs: 300,
});
