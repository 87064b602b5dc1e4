import { checkRange, type InputRange } from '../../core/index.js';
import { badInput } from '../../../errors.js';

export const ALIAS: InputRange = {
  min: 1,
  max: 255,
  unit: 'letters, digits, _ and -',
  accepts: (alias) => /^[A-Za-z0-9_-]*$/.test(alias),
};
/** Names that MLflow reads as a version number or as the newest version. */
const RESERVED = /^(v\d+|latest)$/i;

/** Checks an alias by MLflow's rules, so that its clients can use every alias. */
export function checkAlias(field: string, alias: string): string {
  checkRange(ALIAS, alias, null, field);
  if (RESERVED.test(alias))
    throw badInput(field, 'neither "latest" nor v with a number, which name versions already', alias);
  return alias;
}
