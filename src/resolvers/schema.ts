import type { GraphQLSchema } from 'graphql';
import { buildSchema } from 'type-graphql';
import type { LineageContribution } from '../modules/lineage/index.js';
import type { EventType } from '../modules/platform/index.js';
import { meterSchema } from './answer-meter.js';
import { guardSchema } from './guard.js';
import type { JobKind } from '../modules/jobs/index.js';
import { contributeJobs, type OutcomeDefinition } from './jobs/job-outcome.js';
import { LineageEdgeKindEnum, LineageTypeEnum } from './lineage/lineage.types.js';
import { EventTypeEnum } from './platform/event.types.js';
import { describeRanges } from './types/range.js';

/** type-graphql requires one. Here every subscription has its own stream, because a bus cannot replay. */
const NO_PUB_SUB = {
  publish: () => undefined,
  subscribe: () => {
    throw new Error('a subscription without `subscribe`');
  },
};

const ABOUT_ROOTS: Record<string, string> = {
  Query:
    'Queries on the data of the token’s tenant. Lists are connections: page through them with ' +
    '`first` and `after`. Needs VIEWER.',
  Mutation:
    'Changes: one business action per mutation, with one `input` and its own payload. Needs ' +
    'ENGINEER unless a field says otherwise.',
  Subscription:
    'Live data over WebSocket (graphql-transport-ws). Reconnect with the last `seq` as `after` to ' +
    'receive each item exactly once. Needs VIEWER.',
};

function describeRoots(schema: GraphQLSchema): GraphQLSchema {
  for (const [name, text] of Object.entries(ABOUT_ROOTS)) Object.assign(schema.getType(name)!, { description: text });
  return schema;
}

/** What a module adds to the schema. */
interface SchemaPart {
  resolvers: readonly Function[];
  jobs: readonly Pick<JobKind, 'kind' | 'about'>[];
  jobOutcomes: readonly OutcomeDefinition[];
  events: Readonly<Record<string, EventType>>;
  lineage: LineageContribution;
}

let built: Promise<GraphQLSchema> | undefined;

/** The schema of these modules, with the guard. Built once per process, because type-graphql's metadata is global. */
export function createSchema(modules: readonly SchemaPart[]): Promise<GraphQLSchema> {
  built ??= build(modules);
  return built;
}

async function build(modules: readonly SchemaPart[]): Promise<GraphQLSchema> {
  contributeJobs(
    modules.flatMap(({ jobs }) => jobs),
    modules.flatMap(({ jobOutcomes }) => jobOutcomes),
  );
  for (const { name, about } of modules.flatMap(({ events }) => Object.values(events))) EventTypeEnum.add(name, about);
  for (const { nodes = {}, edgeKinds = {} } of modules.map(({ lineage }) => lineage)) {
    for (const [type, { about }] of Object.entries(nodes)) LineageTypeEnum.add(type, about);
    for (const [kind, about] of Object.entries(edgeKinds)) LineageEdgeKindEnum.add(kind, about);
  }
  const [first, ...others] = modules.flatMap(({ resolvers }) => resolvers);
  if (!first) throw new Error('A schema needs a resolver.');
  const schema = await buildSchema({
    resolvers: [first, ...others],
    validate: false,
    emitSchemaFile: false,
    pubSub: NO_PUB_SUB,
  });
  return meterSchema(guardSchema(describeRanges(describeRoots(schema))));
}
