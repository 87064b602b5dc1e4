import { FollowJobDocument, GatesDocument, JobDocument } from '../schema/generated/operations.ts';
import type { ApiClient } from './client.ts';
import type { Flights } from './flights.ts';
import { bar, type Terminal } from './terminal.ts';
import { failedChecks, type Gate, type JobView, type Version } from './views.ts';
import { must, type Walk } from './walk.ts';

export interface ScenarioOptions {
  api: ApiClient;
  flights: Flights;
  terminal: Terminal;
  walk: Walk;
  /** An empty folder for the files that are uploaded. */
  folder: string;
  /** Separates the names from those of earlier demos in the same data folder. */
  suffix: string;
}

/** Results of one step that another step needs. */
export interface State {
  experimentId: string;
  modelId: string;
  endpointId: string;
  /** The live deployment that is monitored. */
  deploymentId: string;
  modelName: string;
  endpointName: string;
  datasetName: string;
  /** The study whose best trials become an ensemble. */
  studyId: string;
}

/** What the parts of the demo share. */
export class Part {
  protected readonly options: ScenarioOptions;
  protected readonly state: State;

  constructor(options: ScenarioOptions, state: State) {
    this.options = options;
    this.state = state;
  }

  protected async awaitJob(jobId: string): Promise<JobView> {
    const { api, terminal } = this.options;
    await api.follow(FollowJobDocument, { jobId }, (step) => {
      terminal.live([`${bar(step.progress)}  ${step.message.slice(0, 70)}`]);
      return ['SUCCEEDED', 'FAILED', 'CANCELLED'].includes(step.status);
    });
    return this.succeeded(jobId);
  }

  protected async succeeded(jobId: string): Promise<JobView> {
    const { job } = await this.options.api.request(JobDocument, { id: jobId });
    must(job.status === 'SUCCEEDED', `the job is ${job.status}: ${job.errorMessage ?? 'no reason given'}`);
    return job;
  }

  protected async passedGate(version: Version, name: string): Promise<Gate> {
    const { modelVersion } = await this.options.api.request(GatesDocument, {
      modelVersionId: version.id,
    });
    const gate = modelVersion.gates.find((candidate) => candidate.gate === name);
    must(gate !== undefined, `gate ${name} was not decided`);
    must(gate.passed, `gate ${name} did not pass: ${failedChecks(gate)}`);
    return gate;
  }
}
