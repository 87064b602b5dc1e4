import { badInput } from '../../../errors.js';

const ALIAS = /^[A-Za-z0-9_-]{1,255}$/;
/** Names that MLflow reads as a version number or as the newest version. */
const RESERVED = /^(v\d+|latest)$/i;

/** Checks an alias by MLflow's rules, so that its clients can use every alias. */
export function checkAlias(field: string, alias: string): string {
  if (!ALIAS.test(alias)) throw badInput(field, '1 to 255 letters, digits, _ and -', alias);
  if (RESERVED.test(alias))
    throw badInput(field, 'neither "latest" nor v with a number, which name versions already', alias);
  return alias;
}
