import { appendFileSync } from 'node:fs';
import { glob, readFile } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { parse } from 'libpg-query';
import { ORM, STATE_COLUMNS } from './state-columns.js';

/** A statement that was sent to PostgreSQL, and the module that sent it. */
export interface SentStatement {
  module: string;
  text: string;
  /** For a statement that may set a state: the innermost function of a module, as `file#function` below src/modules. */
  by?: string;
}

const MODULE_FRAME = /[/\\]src[/\\]modules[/\\]([\w-]+)[/\\]/;
const FUNCTION_FRAME = /at (?:async )?(?:new )?([\w.$<>]+) (?:\[as \w+\] )?\(.*?[/\\]src[/\\]modules[/\\]([^:]+):\d/;
/** The module of statements that only the ORM sends. */
const NO_MODULE = '';
/**
 * The statements of the ORM at the end of a transaction come from the opener of the transaction, not from the module
 * that changed the entity.
 */
const ORM_FRAME = /UnitOfWork|ChangeSetPersister/;
const DEEP = 60;

/**
 * Writes each different statement of a module once to a file of this process, for the check at the end of the run. The
 * sender of a statement is the innermost module on the call stack.
 */
export function statementRecorder(folder: string): (text: string) => void {
  const file = join(folder, `${process.pid}.ndjson`);
  const seen = new Set<string>();
  return (text) => {
    if (!isWorthParsing(text)) return;
    const sender = sendingModule(mayChangeState(text));
    if (sender === null) return;
    const normal = normalised(text);
    const key = `${sender.module} ${sender.by} ${normal}`;
    if (seen.has(key)) return;
    seen.add(key);
    appendFileSync(file, `${JSON.stringify({ ...sender, text: normal } satisfies SentStatement)}\n`);
  };
}

const STATE_NAMES = [...new Set(Object.keys(STATE_COLUMNS).map((name) => name.split('.')[1]))].join('|');
const STATE_NAME = new RegExp(`\\b(?:${STATE_NAMES})\\b`);

const mayChangeState = (text: string) => /\b(update|merge)\b/i.test(text) && STATE_NAME.test(text);

const isWorthParsing = (text: string) => /\b(select|insert|update|delete|merge)\b/i.test(text);

/** The same statement with other values, or for more rows, counts as the same. */
const normalised = (text: string) =>
  text.replaceAll(/'(?:[^']|'')*'/g, "''").replaceAll(/(\([^()]*\))(?:, \([^()]*\))+/g, '$1');

function sendingModule(isNamed: boolean): Omit<SentStatement, 'text'> | null {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = DEEP;
  const stack = new Error().stack ?? '';
  Error.stackTraceLimit = limit;
  if (ORM_FRAME.test(stack)) return isNamed ? { module: NO_MODULE, by: ORM } : null;
  const module = MODULE_FRAME.exec(stack)?.[1];
  if (module === undefined) return null;
  return isNamed ? { module, by: sendingFunction(stack) } : { module };
}

function sendingFunction(stack: string): string {
  const [, name = '', file = ''] = FUNCTION_FRAME.exec(stack) ?? [];
  return `${file.replaceAll(sep, '/')}#${name.split('.').at(-1)}`;
}

/** The module that owns a table: the one whose folder of entities declares it. */
export async function tableOwners(): Promise<Map<string, string>> {
  const owners = new Map<string, string>();
  for await (const file of glob('src/db/entities/*/*.entity.ts')) {
    const module = file.split(sep).at(-2) ?? '';
    for (const [, table = ''] of (await readFile(file, 'utf8')).matchAll(/tableName: '(\w+)'/g))
      owners.set(table, module);
  }
  return owners;
}

const WRITES = ['InsertStmt', 'UpdateStmt', 'DeleteStmt', 'MergeStmt'];

/** The tables that a text writes and reads, in all its parts. */
export async function tablesIn(text: string): Promise<{ written: Set<string>; read: Set<string> }> {
  const written = new Set<string>();
  const read = new Set<string>();
  const named = new Set<string>();
  const visit = (node: unknown): void => {
    if (Array.isArray(node)) return node.forEach(visit);
    if (typeof node !== 'object' || node === null) return;
    for (const [kind, value] of Object.entries(node)) {
      if (WRITES.includes(kind)) {
        const { relation, ...rest } = value as { relation?: { relname?: string } };
        if (relation?.relname) written.add(relation.relname);
        visit(rest);
        continue;
      }
      if (kind === 'RangeVar') read.add((value as { relname: string }).relname);
      if (kind === 'CommonTableExpr') named.add((value as { ctename: string }).ctename);
      visit(value);
    }
  };
  visit(await parse(text));
  for (const name of named) read.delete(name);
  return { written, read };
}

/** The statements of all processes of a run. */
export async function readStatements(folder: string): Promise<SentStatement[]> {
  const all = new Map<string, SentStatement>();
  for await (const file of glob(join(folder, '*.ndjson'))) {
    for (const line of (await readFile(file, 'utf8')).split('\n')) {
      if (line !== '') all.set(line, JSON.parse(line) as SentStatement);
    }
  }
  return [...all.values()];
}
