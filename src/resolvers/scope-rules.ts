import {
  getNamedType,
  isCompositeType,
  isObjectType,
  Kind,
  type FieldNode,
  type GraphQLObjectType,
  type GraphQLResolveInfo,
  type SelectionSetNode,
} from 'graphql';
import { IS_PROPERTY } from './answer-meter.js';
import { type Principal, outsideScope, requireRun, requireScope, type TokenScope } from '../modules/core/index.js';

type Narrow = 'PREDICT' | 'WRITE_RUN';

interface NarrowRules {
  /** Root fields, and where their arguments name the run. A field that is not in this list is refused. */
  fields: Record<string, string[] | null>;
  /**
   * The fields that may be selected below them, by type. A type that is not in this list is allowed only if all its
   * values come with its object.
   */
  selectable: Record<string, '*' | string[]>;
}

const RULES: Record<Narrow, NarrowRules> = {
  PREDICT: {
    // The service itself checks the endpoint, because it knows the endpoint by name and by id.
    fields: { predict: null, chat: null, complete: null, chatStream: null, completeStream: null },
    selectable: {
      PredictPayload: '*',
      TextPayload: '*',
      TextChunk: '*',
      TokenUsage: '*',
      ModelVersion: ['id', 'version', 'semanticVersion'],
      Deployment: ['id'],
    },
  },
  WRITE_RUN: {
    fields: {
      run: ['id'],
      runLogs: ['runId'],
      runMetrics: ['runId'],
      appendRunLogs: ['input', 'runId'],
      deleteRunTag: ['input', 'runId'],
      finishRun: ['input', 'runId'],
      logArtifact: ['input', 'runId'],
      logMetrics: ['input', 'runId'],
      logParams: ['input', 'runId'],
      resumeRun: ['input', 'runId'],
      setRunTags: ['input', 'runId'],
      updateRun: ['input', 'runId'],
    },
    selectable: {
      RunPayload: '*',
      LogMetricsPayload: '*',
      AppendRunLogsPayload: '*',
      ArtifactPayload: '*',
      Artifact: '*',
      Run: [
        ...[
          'id',
          'name',
          'description',
          'status',
          'state',
          'createdBy',
          'createdAt',
          'startedAt',
          'endedAt',
          'deletedAt',
        ],
        ...['params', 'tags', 'metrics', 'metricHistory', 'logs', 'artifacts', 'source'],
      ],
      KeyValue: '*',
      LatestMetric: '*',
      MetricPoint: '*',
      RunLogLine: '*',
      RunLogConnection: '*',
      RunLogEdge: '*',
      RunSource: '*',
      PageInfo: '*',
    },
  },
};

/** Every name in the rules, for the test that compares them with the schema. */
export const narrowRules: Readonly<Record<Narrow, NarrowRules>> = RULES;

/** The parts of a call that decide whether it is within a scope. */
export type Asked = Pick<GraphQLResolveInfo, 'fieldName' | 'fieldNodes' | 'fragments' | 'returnType'>;

/** Refuses a root field that is outside of a token's scope, or a selection that is. */
export function checkScope(
  { scope }: Principal,
  type: { name: string },
  args: Record<string, unknown>,
  info: Asked,
): void {
  if (!scope || scope.kind === 'EVERYTHING') return;
  if (scope.kind === 'READ') return requireScope(scope, info.fieldName, type.name === 'Mutation' ? [] : ['READ']);
  const rules = RULES[scope.kind];
  const path = Object.hasOwn(rules.fields, info.fieldName) ? rules.fields[info.fieldName] : undefined;
  if (path === undefined) throw outsideScope(scope, info.fieldName);
  if (path !== null) requireRun(scope, info.fieldName, valueAt(args, path));
  for (const node of info.fieldNodes)
    checkSelection(scope, rules, getNamedType(info.returnType), node.selectionSet, info);
}

function checkSelection(
  scope: TokenScope,
  rules: NarrowRules,
  type: unknown,
  selected: SelectionSetNode | undefined,
  info: Asked,
): void {
  if (!selected || !isObjectType(type)) {
    // Interfaces and unions are in no scope.
    if (selected) throw outsideScope(scope, String(type));
    return;
  }
  for (const selection of selected.selections) {
    if (selection.kind === Kind.INLINE_FRAGMENT) checkSelection(scope, rules, type, selection.selectionSet, info);
    else if (selection.kind === Kind.FRAGMENT_SPREAD)
      checkSelection(scope, rules, type, info.fragments[selection.name.value]?.selectionSet, info);
    else checkField(scope, rules, type, selection, info);
  }
}

function checkField(
  scope: TokenScope,
  rules: NarrowRules,
  type: GraphQLObjectType,
  node: FieldNode,
  info: Asked,
): void {
  const name = node.name.value;
  if (name === '__typename') return;
  const field = type.getFields()[name];
  const selectable = Object.hasOwn(rules.selectable, type.name) ? rules.selectable[type.name] : undefined;
  const isOpen = selectable === undefined ? hasOnlyProperties(type) : selectable === '*' || selectable.includes(name);
  if (!field || !isOpen) throw outsideScope(scope, `${type.name}.${name}`);
  const below = getNamedType(field.type);
  if (isCompositeType(below)) checkSelection(scope, rules, below, node.selectionSet, info);
}

/** All its values come with its object: nothing is looked up for them. */
function hasOnlyProperties(type: GraphQLObjectType): boolean {
  return Object.values(type.getFields()).every((field) => !field.resolve || field.extensions[IS_PROPERTY]);
}

function valueAt(args: Record<string, unknown>, path: readonly string[]): unknown {
  return path.reduce<unknown>((value, key) => (value as Record<string, unknown> | null | undefined)?.[key], args);
}
