import { randomName } from '../random-name.js';
import { z } from 'zod';
import { Role } from '../../../modules/core/index.js';
import { RUN_TAGS, readRunDetails } from '../../../modules/experiments/index.js';
import { jsonEndpoint, type Endpoint } from '../endpoint.js';
import { invalidParameter } from '../errors.js';
import { integer, keyValue, MORE, optionalString, repeated, string } from '../protobuf-json.js';
import { cutTag, onRun, toTime } from './checks.js';
import { findActiveExperiment, showRuns } from './lookup.js';
import { runStatus, toRunInfo } from './views.js';

/** Old clients send run_uuid. */
export const ofRun = { run_id: optionalString, run_uuid: optionalString };

/** The id of the run in a request. */
export function runOf(input: { run_id?: string | null | undefined; run_uuid?: string | null | undefined }): string {
  const id = input.run_id || input.run_uuid;
  if (!id) {
    throw invalidParameter(`Missing value for required parameter 'run_id'.${MORE}`);
  }
  return id;
}

export const runEndpoints: Endpoint[] = [
  jsonEndpoint(
    ['POST'],
    '/mlflow/runs/create',
    Role.ENGINEER,
    z.object({ experiment_id: string, start_time: integer, run_name: string, tags: repeated(keyValue) }),
    async (call, input) => {
      const tags = input.tags.map(cutTag);
      const tagged = tags.find(({ key }) => key === RUN_TAGS.name)?.value;
      if (input.run_name && tagged && input.run_name !== tagged) {
        throw invalidParameter(
          `Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values ` +
            `(run_name='${input.run_name}', mlflow.runName='${tagged}').`,
        );
      }
      const [run] = await call.run(async (session) => {
        const experiment = await findActiveExperiment(session, call.services, input.experiment_id);
        const created = await call.services.runs.create(session, {
          experimentId: experiment.id,
          name: input.run_name || tagged || randomName(),
          startedAt: input.start_time === null ? null : toTime('start_time', input.start_time),
          tags: tags.filter(({ key }) => key !== RUN_TAGS.name),
        });
        return showRuns(session, call.services, [created]);
      });
      // A new run has no field `outputs`.
      return { run: { ...run, outputs: undefined } };
    },
  ),
  jsonEndpoint(['GET'], '/mlflow/runs/get', Role.VIEWER, z.object(ofRun), async (call, input) => {
    const [run] = await onRun(runOf(input), (id) =>
      call.run(async (session) => showRuns(session, call.services, [await call.services.runs.get(session, id)])),
    );
    return { run };
  }),
  jsonEndpoint(
    ['POST'],
    '/mlflow/runs/update',
    Role.ENGINEER,
    z.object({ ...ofRun, status: runStatus, end_time: integer, run_name: string }),
    async (call, input) => {
      const info = await onRun(runOf(input), (runId) =>
        call.run(async (session) => {
          const run = await call.services.runLifecycle.update(session, {
            runId,
            name: input.run_name || null,
            status: input.status,
            endedAt: input.end_time === null ? null : toTime('end_time', input.end_time),
          });
          const { tags } = (await readRunDetails(session, [runId]))(runId);
          return toRunInfo(run, await call.services.experiments.get(session, run.experimentId), tags);
        }),
      );
      return { run_info: info };
    },
  ),
  jsonEndpoint(['POST'], '/mlflow/runs/delete', Role.ENGINEER, z.object(ofRun), async (call, input) => {
    await onRun(runOf(input), (id) => call.run((session) => call.services.runLifecycle.remove(session, id)));
    return {};
  }),
  jsonEndpoint(['POST'], '/mlflow/runs/restore', Role.ENGINEER, z.object(ofRun), async (call, input) => {
    await onRun(runOf(input), (id) => call.run((session) => call.services.runLifecycle.restore(session, id)));
    return {};
  }),
];
