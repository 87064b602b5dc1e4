import type { Example } from './welcome.js';

/**
 * Links of MLflow's clients: "View run … at: <this service>/#/experiments/<experiment>/runs/<run>". Ids are
 * hexadecimal, or 0.
 */
const LINK = /^#\/experiments\/(0|[0-9a-f]{32})(?:\/(runs|models)\/(?:m-)?([0-9a-f]{32}))?(?:[/?]|$)/;

const RUN = `# The run that MLflow's client linked to.
query LinkedRun($id: ID!) {
  run(id: $id) {
    id
    name
    status
    startedAt
    endedAt
    createdBy
    experiment { id name }
    params { key value }
    metrics { key value step }
    tags { key value }
    artifacts { path sizeBytes }
    loggedModels { direction loggedModel { id name status } }
  }
}
`;

const MODEL = `# The logged model that MLflow's client linked to.
query LinkedModel($id: ID!) {
  loggedModel(id: $id) {
    id
    name
    status
    createdAt
    params { key value }
    metrics { key value step }
    tags { key value }
  }
}
`;

const EXPERIMENT = `# The newest runs of the experiment that MLflow's client linked to.
query LinkedExperiment($filter: RunFilterInput) {
  runs(first: 20, filter: $filter) {
    totalCount
    nodes {
      id
      name
      status
      startedAt
      experiment { id name }
      params { key value }
      metrics { key value step }
    }
  }
}
`;

const DEFAULT_EXPERIMENT = `# The default experiment, which MLflow calls 0, and the newest runs of all.
query LinkedExperiment {
  experiments(filter: { search: "Default" }) { nodes { id name isDefault createdAt } }
  runs(first: 20) {
    totalCount
    nodes {
      id
      name
      status
      startedAt
      experiment { id name isDefault }
      params { key value }
      metrics { key value step }
    }
  }
}
`;

/** The UUID of 32 hexadecimal digits. */
const toId = (hex: string) => hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');

/** The query that shows the object of a link of MLflow's clients; null for any other fragment of a URL. */
export function linkedExample(hash: string): Example | null {
  const [, experiment, kind, id] = LINK.exec(hash) ?? [];
  if (experiment === undefined) return null;
  const title = 'From MLflow';
  const why = 'What the link of an MLflow client names.';
  if (kind === 'runs' && id) return { title, why, query: RUN, variables: { id: toId(id) } };
  if (kind === 'models' && id) return { title, why, query: MODEL, variables: { id: toId(id) } };
  if (experiment === '0') return { title, why, query: DEFAULT_EXPERIMENT };
  return { title, why, query: EXPERIMENT, variables: { filter: { experimentIds: [toId(experiment)] } } };
}
