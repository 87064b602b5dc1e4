import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { AppError, ErrorCode, quote } from '../../errors.js';

/** The files that a query may access; nothing else on this machine or in the network is reachable. */
export interface FileAccess {
  paths: readonly string[];
  /** A folder to which it may write, with this many open files. */
  writtenFolder?: { path: string; openFiles: number };
  /** For example 2GB; most of this machine's memory when absent. */
  memoryLimit?: string;
}

/**
 * `text` as an SQL string literal, for paths and options, which DuckDB accepts only as literals. Values are passed as
 * parameters.
 */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** `name` as an SQL identifier. */
export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** Opens an in-memory database that can access only the given files. The caller closes it. */
export async function openDuckDb({
  paths,
  memoryLimit,
  writtenFolder,
}: FileAccess): Promise<{ connection: DuckDBConnection; close: () => void }> {
  const instance = await DuckDBInstance.create(':memory:', {
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
    temp_directory: '',
    threads: '2',
    ...(memoryLimit && { memory_limit: memoryLimit }),
  });
  const connection = await instance.connect();
  const close = (): void => {
    connection.closeSync();
    instance.closeSync();
  };
  try {
    await connection.run("SET TimeZone = 'UTC'");
    await connection.run(`SET allowed_paths = [${paths.map(literal).join(', ')}]`);
    if (writtenFolder) {
      await connection.run(`SET allowed_directories = [${literal(writtenFolder.path)}]`);
      await connection.run(`SET partitioned_write_max_open_files = ${writtenFolder.openFiles}`);
    }
    await connection.run('SET enable_external_access = false');
    await connection.run('SET lock_configuration = true');
  } catch (error) {
    close();
    throw error;
  }
  return { connection, close };
}

export async function withDuckDb<T>(access: FileAccess, use: (connection: DuckDBConnection) => Promise<T>): Promise<T> {
  const { connection, close } = await openDuckDb(access);
  try {
    return await use(connection);
  } finally {
    close();
  }
}

const SHOWN_LINES = 3;

/** The error for a value that cannot be read as its column is (reading-sql.ts). */
function unreadable(
  { name, expected }: { name: string; expected: string },
  row: number,
  text: string,
  cause: unknown,
): AppError {
  const got = quote(text);
  return new AppError(
    ErrorCode.BAD_USER_INPUT,
    `Column ${name}, row ${row}: expected ${expected}, got ${got}.`,
    { field: name, expected, got, column: name, row },
    { cause },
  );
}

/**
 * DuckDB's error about a user's file, as the user may see it: without paths of this machine and without the service's
 * SQL.
 */
export function readError(error: unknown, path: string): AppError {
  if (error instanceof AppError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const [kind = ''] = message.split(':', 1);
  const refused = /matih refuses (\{.*?\}) (\d+) ([^]*)$/.exec(message);
  if (refused)
    return unreadable(
      JSON.parse(refused[1]!) as { name: string; expected: string },
      Number(refused[2]),
      refused[3]!,
      error,
    );
  const shown = message
    .split(/\n\s*(?:LINE \d+:|Possible fixes|Candidate)/)[0]!
    .replaceAll(path, 'the file')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .slice(0, SHOWN_LINES)
    .join(' ')
    .replace(/^(?:Invalid Input|Conversion|Parser|Binder|IO|Out of Range) Error: /, '');
  if (kind.startsWith('Out of Memory')) {
    return new AppError(
      ErrorCode.RESOURCE_EXHAUSTED,
      'The dataset does not fit the memory of this machine: sample it.',
      {},
      { cause: error },
    );
  }
  const USER_FAULTS = [
    'Invalid Input Error',
    'Conversion Error',
    'Parser Error',
    'Binder Error',
    'IO Error',
    'Out of Range Error',
  ];
  if (!USER_FAULTS.includes(kind) && !message.includes('CSV Error') && !message.includes('JSON')) {
    return new AppError(ErrorCode.INTERNAL, 'The dataset could not be read.', {}, { cause: error });
  }
  const expected = 'a well-formed file';
  return new AppError(
    ErrorCode.BAD_USER_INPUT,
    `file: expected ${expected}, got ${shown}`,
    { field: 'file', expected, got: shown },
    { cause: error },
  );
}
