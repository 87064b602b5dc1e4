/** What the page offers first: the opening tabs and the guide in the side panel. A test runs every operation. */
export interface Example {
  title: string;
  /** One sentence: what it shows. */
  why: string;
  query: string;
  variables?: Record<string, unknown>;
}

export const GREETING = `# Welcome to the MATIH ML Service.
#
# 1. Your token is at the top; the
#    terminal printed one.
# 2. ▶ or Ctrl-Enter runs it.
# 3. "Start here" on the left opens
#    ready-made operations, the book
#    shows the documented schema.
# 4. Ctrl-Space completes; hovering
#    over a field explains it.
`;

export const EXAMPLES: Example[] = [
  {
    title: 'See the experiments',
    why: 'Lists are connections: ask for a page, its cursor and, if you need it, the total.',
    query: `query Experiments {
  experiments(first: 10) {
    totalCount
    nodes {
      id
      name
      createdBy
      createdAt
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}
`,
  },
  {
    title: 'Start an experiment',
    why: 'Mutations take one input and answer with what they made. Needs the role ENGINEER.',
    query: `mutation StartExperiment($input: CreateExperimentInput!) {
  createExperiment(input: $input) {
    experiment {
      id
      name
      createdAt
    }
  }
}
`,
    variables: { input: { name: 'my-first-experiment', description: 'Made in GraphiQL' } },
  },
  {
    title: 'Compare runs',
    why: 'Parameters and the latest value of every metric, side by side.',
    query: `query Runs {
  runs(first: 10) {
    nodes {
      id
      name
      status
      experiment { name }
      params { key value }
      metrics { key value step }
    }
  }
}
`,
  },
  {
    title: 'Watch a run learn',
    why: 'A subscription: each metric point as it is logged, past ones first. Put in a run id.',
    query: `subscription WatchRun($runId: ID!) {
  runMetrics(runId: $runId, after: 0) {
    seq
    key
    step
    value
  }
}
`,
    variables: { runId: 'paste the id of a run' },
  },
  {
    title: 'See the models',
    why: 'What is in production, what each version has proven, where it came from.',
    query: `query Models {
  models(first: 10) {
    nodes {
      id
      name
      productionVersion { id version semanticVersion }
      versions(first: 5) {
        nodes {
          version
          stage
          gates { gate passed }
          run { id name }
        }
      }
    }
  }
}
`,
  },
  {
    title: 'Watch the traffic',
    why: 'Endpoints with what stands behind them, and what monitoring has found.',
    query: `query Traffic {
  endpoints(first: 10) {
    nodes {
      name
      followStage
      deployments {
        mode
        status
        weightBps
        modelVersion { version stage }
        traffic { requests errors latencyP95Ms }
      }
    }
  }
  alerts(filter: { status: OPEN }) {
    nodes { kind message createdAt }
  }
}
`,
  },
  {
    title: 'Follow what happens',
    why: 'Every lifecycle event as it happens: trainings, registrations, promotions, deployments, drift.',
    query: `subscription Follow {
  lifecycleEvents(after: 0) {
    seq
    type
    subjectType
    subjectId
    createdAt
    payload
  }
}
`,
  },
  {
    title: 'What can I ask?',
    why: 'Every query, mutation and subscription of the service with its explanation.',
    query: `query Operations {
  __schema {
    queryType { fields { name description } }
    mutationType { fields { name description } }
    subscriptionType { fields { name description } }
  }
}
`,
  },
];
