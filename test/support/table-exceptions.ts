export const ANY = 'any';

/** Tables of other modules that a module uses although it does not own them. */
export interface TableException {
  module: string;
  tables: readonly string[] | typeof ANY;
  why: string;
}

/** Each of these must become a call of the owner. */
export const FOREIGN_WRITES: readonly TableException[] = [
  {
    module: 'artifacts',
    tables: ['audit_log', 'small_object', 'staged_object'],
    why: 'A small file is placed by one statement that is one way to the database.',
  },
  { module: 'evaluation', tables: ['model_version'], why: 'A new evaluation touches its version.' },
  { module: 'registry', tables: ['deployment'], why: 'With a version go its stopped deployments.' },
];

export const FOREIGN_READS: readonly TableException[] = [
  {
    module: 'ab-tests',
    tables: ['deployment', 'ground_truth', 'model_version'],
    why:
      'The variants of a test are live deployments, compared by the signatures of their versions; one pass over the ' +
      'keys adds up the errors of their answers.',
  },
  {
    module: 'artifacts',
    tables: ['experiment', 'job', 'logged_model', 'run', 'run_counter'],
    why: 'The folder of an owner is found, and the archive of a run is read, in one statement each.',
  },
  {
    module: 'evaluation',
    tables: ['job', 'model', 'model_version'],
    why: 'The version that is evaluated, with its model.',
  },
  {
    module: 'exchange',
    tables: ['experiment', 'logged_model', 'model', 'model_alias', 'model_version', 'run'],
    why: 'A name on another server is of an object that is here: one statement looks for both.',
  },
  {
    module: 'experiments',
    tables: ['dataset', 'job', 'run_model'],
    why: 'Run search and the details of many runs are one statement each; a run with an unfinished job is not deleted.',
  },
  {
    module: 'garbage',
    tables: [
      ...['artifact', 'batch_inference_part', 'checkpoint', 'dataset', 'direct_upload', 'evaluation', 'experiment'],
      ...['job', 'logged_model', 'metric_point', 'model', 'model_version', 'run', 'run_log'],
      ...['request_log_file', 'staged_object', 'upload'],
    ],
    why: 'What nobody names any more is found by asking all tables at once.',
  },
  {
    module: 'jobs',
    tables: ['dataset', 'model_version', 'run'],
    why:
      'A job is listed by the experiment of its run; a clone takes the newest version of its dataset, or the version ' +
      'of its model in production.',
  },
  {
    module: 'lineage',
    tables: [
      ...['alert', 'artifact', 'dataset', 'deployment', 'deployment_minute', 'endpoint', 'ensemble_member', 'job'],
      ...[
        'logged_dataset',
        'logged_model',
        'model',
        'model_version',
        'prediction_log',
        'run',
        'run_dataset',
        'run_model',
      ],
    ],
    why: 'Each level of a graph is one statement of the queries that the owners contribute.',
  },
  {
    module: 'language-models',
    tables: ['deployment'],
    why: 'Minutes of deployments that are gone are skipped in the statement that adds them.',
  },
  { module: 'logged-models', tables: ['experiment', 'run'], why: 'The owner of a logged model is locked.' },
  {
    module: 'monitoring',
    tables: ['alert', 'dataset', 'deployment', 'endpoint', 'job', 'model', 'model_version', 'run'],
    why: 'A deployment is analysed together with its endpoint, its version and its alerts.',
  },
  {
    module: 'platform',
    tables: ANY,
    why: 'Batches, pages and look-ups are written once, for tables that their callers name.',
  },
  {
    module: 'registry',
    tables: ['artifact', 'dataset', 'deployment', 'endpoint', 'evaluation', 'job', 'logged_model', 'run'],
    why: 'A version is registered from, and removed with regard to, what names it.',
  },
  {
    module: 'serving',
    tables: ['dataset', 'evaluation', 'job', 'model', 'model_alias', 'model_version', 'stage_transition'],
    why: 'Deployments are read with the versions that they serve, on the road of every prediction.',
  },
  {
    module: 'schedules',
    tables: ['dataset', 'job'],
    why: 'Schedules with a new version of their dataset, and unfinished jobs of a schedule, are one statement each.',
  },
  { module: 'training', tables: ['dataset', 'job', 'model'], why: 'A training is read with its job.' },
  { module: 'uploads', tables: ['job'], why: 'An upload that an unfinished job names is not swept.' },
];
