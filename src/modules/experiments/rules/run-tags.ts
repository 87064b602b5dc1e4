/**
 * Tags that MLflow clients use for values that have their own field here. The tag is the only place of the value, or is
 * kept equal to a column.
 */
export const RUN_TAGS = {
  /** Equal to the run's `name`. */
  name: 'mlflow.runName',
  /** The parent's id as 32 hexadecimal digits; equal to the run's `parentRunId` when the tag names a run. */
  parent: 'mlflow.parentRunId',
  note: 'mlflow.note.content',
  user: 'mlflow.user',
  sourceName: 'mlflow.source.name',
  sourceType: 'mlflow.source.type',
  gitCommit: 'mlflow.source.git.commit',
  entryPoint: 'mlflow.project.entryPoint',
  /** The id of the run that was cloned, as 32 hexadecimal digits. */
  clonedFrom: 'matih.clonedFromRunId',
} as const;

/** The purpose of a logged dataset. */
export const CONTEXT_TAG = 'mlflow.data.context';

/** Tags that fields of the run show; they are not shown twice. */
export const SHOWN_AS_FIELDS: readonly string[] = [RUN_TAGS.name, RUN_TAGS.parent];

/** The source of a run; every part may be unknown. */
export interface RunSource {
  type?: string | null;
  name?: string | null;
  gitCommit?: string | null;
  entryPoint?: string | null;
  user?: string | null;
}

const SOURCE_TAGS: Record<keyof RunSource, string> = {
  type: RUN_TAGS.sourceType,
  name: RUN_TAGS.sourceName,
  gitCommit: RUN_TAGS.gitCommit,
  entryPoint: RUN_TAGS.entryPoint,
  user: RUN_TAGS.user,
};
const SOURCE_ENTRIES = Object.entries(SOURCE_TAGS) as [keyof RunSource, string][];

export function sourceOf(tags: readonly { key: string; value: string }[]): RunSource | null {
  const found = new Map(tags.map(({ key, value }) => [key, value]));
  const known = SOURCE_ENTRIES.filter(([, tag]) => found.has(tag)).map(([field, tag]) => [field, found.get(tag)]);
  return known.length > 0 ? Object.fromEntries(known) : null;
}

export function tagsOfSource(source: RunSource): { key: string; value: string }[] {
  return SOURCE_ENTRIES.flatMap(([field, key]) => {
    const value = source[field];
    return value == null ? [] : [{ key, value }];
  });
}
