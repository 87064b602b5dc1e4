import { z } from 'zod';
import { conflict } from '../../errors.js';
import type { ArtifactService } from '../artifacts/index.js';
import type { RunService } from '../experiments/index.js';
import { type CloneRule, type JobService, keptRequest, requestOf } from '../jobs/index.js';
import { SCRIPT } from './script.job-kind.js';
import type { ScriptService } from './script.service.js';

const template = z.object({
  experimentId: z.guid(),
  command: z.string(),
  backend: SCRIPT.input.shape.backend,
  /** Where its code is stored, with the run to which it belongs. */
  codeKey: z.string(),
  request: keptRequest,
});

/** Another run of the same code with the same command. */
export function cloneOfScript(
  scripts: ScriptService,
  jobs: JobService,
  runs: RunService,
  artifacts: ArtifactService,
): CloneRule<typeof template> {
  return {
    ...{ kind: SCRIPT, template },
    templateOf: async (session, job) => {
      if (job.runId == null)
        throw conflict(`The run of script ${job.id} was deleted, and its code with it.`, {
          ...{ field: 'input.jobId', expected: 'a script whose run exists', got: job.id },
        });
      const { command, backend, codeKey, copiedFrom } = jobs.inputOf(SCRIPT, job);
      const { experimentId } = await runs.get(session, job.runId);
      // A job that has not begun has no code of its own yet.
      const own = await artifacts.at(session, codeKey);
      const code = own || copiedFrom === undefined ? codeKey : copiedFrom;
      return { experimentId, command, backend, codeKey: code, request: requestOf(job) };
    },
    check: (_actor, { backend }) => scripts.requirePlace(backend),
    start: (session, { request, ...settings }, { datasetId }) =>
      scripts.startAgain(session, { ...settings, datasetId, job: request }),
  };
}
