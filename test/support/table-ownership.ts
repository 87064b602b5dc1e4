import { foreignStateChanges, STATE_COLUMNS } from './state-columns.js';
import { type SentStatement, tableOwners, tablesIn } from './sent-statements.js';
import { ANY, FOREIGN_READS, FOREIGN_WRITES, type TableException } from './table-exceptions.js';

/**
 * Fails the run when a module has written or read a table of another module that is not on the short list, or has
 * changed a state without its only transition function.
 */
export async function checkOwnership(sent: readonly SentStatement[]): Promise<void> {
  const faults = await foreignUses(sent, await tableOwners());
  if (faults.length > 0) throw new Error(`Modules use tables of others:\n${faults.join('\n')}`);
  const changes = await foreignStateChanges(sent, STATE_COLUMNS);
  if (changes.length > 0) throw new Error(`States are changed past their one function:\n${changes.join('\n')}`);
  if (sent.length > 0) console.log(`table ownership: ${sent.length} different statements of modules checked`);
}

/** One line for each forbidden use of another module's table, with its first statement. */
export async function foreignUses(
  sent: readonly SentStatement[],
  owners: ReadonlyMap<string, string>,
): Promise<string[]> {
  const faults = new Map<string, string>();
  for (const { module, text } of sent) {
    if (module === '') continue;
    const { written, read } = await tablesIn(text);
    const note = (table: string, verb: string, exceptions: readonly TableException[]) => {
      const owner = owners.get(table);
      if (owner === undefined || owner === module || isListed(exceptions, module, table)) return;
      const fault = `${module} ${verb} ${table} of ${owner}`;
      if (!faults.has(fault)) faults.set(fault, `${fault}: ${text.replaceAll(/\s+/g, ' ').slice(0, 300)}`);
    };
    for (const table of written) note(table, 'writes', FOREIGN_WRITES);
    for (const table of read) if (!written.has(table)) note(table, 'reads', FOREIGN_READS);
  }
  return [...faults.values()].sort();
}

const isListed = (exceptions: readonly TableException[], module: string, table: string) =>
  exceptions.some(
    (exception) => exception.module === module && (exception.tables === ANY || exception.tables.includes(table)),
  );
