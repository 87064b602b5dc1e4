import { z } from 'zod';
import { outsideReportsSchema } from '../../../modules/training/index.js';
import { operation } from '../operation.js';

const reportAnswer = z
  .object({ acknowledged: z.int().describe('Number of the last report that the service has; 0 when it has none.') })
  .meta({ id: 'AcknowledgedReports' });

export const reportTrainingOperation = operation({
  id: 'reportTraining',
  method: 'POST',
  path: '/jobs/{id}/reports',
  summary: 'Takes reports of a training that runs outside the service.',
  description:
    'Epochs, log lines, checkpoints and progress, with sequence numbers from 1: a report that was sent before is ' +
    'acknowledged again and changes nothing, so every request can be repeated. The bearer token is the one of the ' +
    'attempt that started the training. CONFLICT when the job has ended, or other work does it now: stop then.',
  need: 'ATTEMPT',
  params: { id: 'Id of the job.' },
  body: outsideReportsSchema,
  example: {
    reports: [{ seq: 1, at: 1796016946453, type: 'epoch', epoch: 1, epochs: 20, metrics: { 'validation.loss': 0.42 } }],
  },
  answer: reportAnswer,
  handle: async (call, { id = '' }, { reports }) => ({
    acknowledged: await call.services.outsideReports.receive(call.token, id, reports),
  }),
});
