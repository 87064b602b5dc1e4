import { wrap, type EntityData } from '@mikro-orm/core';

/** Tells an entity what a statement has just written to its row, so that the ORM does not write it again. */
export function noteWritten<T extends object>(entity: T, values: Partial<T>): void {
  Object.assign(entity, values);
  const { __originalEntityData: stored } = wrap(entity, true);
  if (stored) Object.assign(stored, values satisfies Partial<T> as EntityData<T>);
}
