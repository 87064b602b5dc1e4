import type { ApiClient } from './client.js';
import { document } from './documents.js';
import type { Flights } from './flights.js';
import { bar, type Terminal } from './terminal.js';
import { failedChecks, type Gate, type JobView, type Version } from './views.js';
import { must, type Walk } from './walk.js';

export interface ScenarioOptions {
  api: ApiClient;
  flights: Flights;
  terminal: Terminal;
  walk: Walk;
  /** An empty folder for the files that are uploaded. */
  folder: string;
  /** Apart from earlier demos on the same data folder. */
  suffix: string;
}

/** What one step finds out and another needs. */
export interface State {
  experimentId: string;
  modelId: string;
  endpointId: string;
  /** The live deployment that is watched. */
  deploymentId: string;
  modelName: string;
  endpointName: string;
  datasetName: string;
}

/** What the parts of the demo share. */
export class Part {
  constructor(
    protected readonly options: ScenarioOptions,
    protected readonly state: State,
  ) {}

  protected async awaitJob(jobId: string): Promise<JobView> {
    const { api, terminal } = this.options;
    await api.follow<{ status: string; progress: number; message: string }>(
      document('followJob'),
      { jobId },
      (step) => {
        terminal.live([`${bar(step.progress)}  ${step.message.slice(0, 70)}`]);
        return ['SUCCEEDED', 'FAILED', 'CANCELLED'].includes(step.status);
      },
    );
    return this.succeeded(jobId);
  }

  protected async succeeded(jobId: string): Promise<JobView> {
    const { job } = await this.options.api.request<{ job: JobView }>(document('job'), { id: jobId });
    must(job.status === 'SUCCEEDED', `the job is ${job.status}: ${job.errorMessage ?? 'no reason given'}`);
    return job;
  }

  protected async passedGate(version: Version, name: string): Promise<Gate> {
    const { modelVersion } = await this.options.api.request<{ modelVersion: { gates: Gate[] } }>(document('gates'), {
      modelVersionId: version.id,
    });
    const gate = modelVersion.gates.find((candidate) => candidate.gate === name);
    must(gate !== undefined, `gate ${name} was not decided`);
    must(gate.passed, `gate ${name} did not pass: ${failedChecks(gate)}`);
    return gate;
  }
}
