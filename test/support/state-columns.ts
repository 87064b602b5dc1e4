import { parse } from 'libpg-query';
import type { SentStatement } from './sent-statements.js';

/** The sender of what the ORM writes at the end of a transaction, for changed entities. */
export const ORM = 'the ORM';

/**
 * Columns with the state of a row, each with the only function that changes it, as `file#function` below src/modules.
 * The function must be `async` and await its statement, otherwise the call stack does not name it.
 */
export const STATE_COLUMNS: Readonly<Record<string, readonly string[]>> = {
  'ab_test.status': ['ab-tests/stores/ab-tests.ts#changeAbTestStatus'],
  'alert.status': ['alerts/store.ts#resolveAlert'],
  'canary.status': ['rollouts/stores/canaries.ts#changeCanaryStatus'],
  'deployment.status': ['serving/stores/deployments.ts#changeDeploymentStatus'],
  'experiment.import_job_id': ['experiments/stores/experiment-states.ts#changeExperimentState'],
  'experiment.state': ['experiments/stores/experiment-states.ts#changeExperimentState'],
  'job.status': ['jobs/store.ts#changeStatus'],
  'model_version.stage': ['registry/stores/states.ts#changeStage'],
  'model_version.status': ['registry/stores/states.ts#changeVersionStatus'],
  'run.status': ['experiments/stores/runs.ts#changeRunStatus'],
  'study.status': ['tuning/stores/studies.ts#changeStudyStatus'],
  'trial.status': ['tuning/stores/trials.ts#changeTrialStatus'],
};

export interface SetColumn {
  table: string;
  column: string;
  /** Whether the statement has a condition on the column's current value, as compare and set does. */
  isCompared: boolean;
}

interface Update {
  relation?: { relname?: string };
  targetList?: { ResTarget?: { name?: string } }[];
  whereClause?: unknown;
}

/** The columns of existing rows that a text sets, in all its parts. */
export async function columnsSet(text: string): Promise<SetColumn[]> {
  const found: SetColumn[] = [];
  const note = ({ relation, targetList = [], whereClause }: Update): void => {
    const compared = columnsIn(whereClause);
    for (const { ResTarget } of targetList) {
      const column = ResTarget?.name;
      if (relation?.relname && column)
        found.push({ table: relation.relname, column, isCompared: compared.has(column) });
    }
  };
  const visit = (node: unknown): void => {
    if (Array.isArray(node)) return node.forEach(visit);
    if (typeof node !== 'object' || node === null) return;
    for (const [kind, value] of Object.entries(node)) {
      if (kind === 'UpdateStmt') note(value as Update);
      if (kind === 'InsertStmt') {
        const { relation, onConflictClause } = value as Update & { onConflictClause?: Update };
        note({ relation, ...onConflictClause });
      }
      if (kind === 'MergeStmt') {
        const { relation, mergeWhenClauses = [] } = value as Update & {
          mergeWhenClauses?: { MergeWhenClause?: Update & { commandType?: string; condition?: unknown } }[];
        };
        for (const { MergeWhenClause: when } of mergeWhenClauses)
          if (when?.commandType === 'CMD_UPDATE')
            note({ relation, targetList: when.targetList, whereClause: when.condition });
      }
      visit(value);
    }
  };
  visit(await parse(text));
  return found;
}

function columnsIn(clause: unknown): Set<string> {
  const found = new Set<string>();
  const visit = (node: unknown): void => {
    if (Array.isArray(node)) return node.forEach(visit);
    if (typeof node !== 'object' || node === null) return;
    for (const [kind, value] of Object.entries(node)) {
      if (kind === 'ColumnRef') {
        const last = (value as { fields?: { String?: { sval?: string } }[] }).fields?.at(-1);
        if (last?.String?.sval) found.add(last.String.sval);
      }
      visit(value);
    }
  };
  visit(clause);
  return found;
}

/** One line for each statement that sets a state and is not sent by the only allowed function, or does not compare. */
export async function foreignStateChanges(
  sent: readonly SentStatement[],
  functions: Readonly<Record<string, readonly string[]>>,
): Promise<string[]> {
  const faults = new Set<string>();
  for (const { by = null, text } of sent) {
    if (by === null) continue;
    const shown = text.replaceAll(/\s+/g, ' ').slice(0, 300);
    for (const { table, column, isCompared } of await columnsSet(text)) {
      const allowed = functions[`${table}.${column}`];
      if (allowed === undefined) continue;
      if (!allowed.includes(by))
        faults.add(`${by} sets ${table}.${column}, which ${allowed.join(' or ')} sets: ${shown}`);
      else if (allowed.length === 1 && !isCompared)
        faults.add(`${by} sets ${table}.${column} without a condition on its present value: ${shown}`);
    }
  }
  return [...faults].sort();
}
