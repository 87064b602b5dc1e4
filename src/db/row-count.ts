import { AsyncLocalStorage } from 'node:async_hooks';
import { Query, type Connection, type Pool } from 'pg';

/** Called with the bytes of each row when it arrives; may delay the next rows. An exception ends the statement. */
export type OnRow = (bytes: number) => Promise<void> | null;

interface Counting {
  onRow: OnRow;
  stoppedBy: Error | null;
}

// A method that the driver calls and its types do not contain.
declare module 'pg' {
  interface Query {
    handleDataRow(row: { length: number }): void;
  }
}

const countings = new AsyncLocalStorage<Counting>();

/** Runs `work` and counts the rows of its statements. */
export async function countRows<T>(onRow: OnRow, work: () => Promise<T>): Promise<T> {
  const counting: Counting = { onRow, stoppedBy: null };
  try {
    return await countings.run(counting, work);
  } catch (error) {
    // The layers in between wrap the error of a statement.
    throw counting.stoppedBy ?? error;
  }
}

/** Makes the pool count rows. It must be the first wrapper of the pool's connections. */
export function letRowsBeCounted(pool: Pool): void {
  pool.on('connect', (client) => {
    // Outside of the pool nobody else listens, and an error without a listener would end the process.
    client.on('error', () => undefined);
    const query = client.query.bind(client) as (...args: unknown[]) => unknown;
    Object.assign(client, {
      query: (...args: unknown[]) => {
        const counting = countings.getStore();
        const [statement, values] = args;
        if (!counting || (typeof statement === 'object' && statement !== null && 'submit' in statement))
          return query(...args);
        return new Promise((resolve, reject) => {
          const done = (error: Error | null | undefined, result: unknown) => (error ? reject(error) : resolve(result));
          query(new CountedQuery(counting, statement as string, values as unknown[], done));
        });
      },
    });
  });
}

/**
 * A statement that can be ended while its rows arrive: they may not fit into memory, and the server cannot be asked to
 * send fewer.
 */
class CountedQuery extends Query {
  private connection: Connection | null = null;
  private isStopped = false;

  constructor(
    private readonly counting: Counting,
    ...args: [string, unknown[], (error: Error | null | undefined, result: unknown) => void]
  ) {
    super(...args);
    const { submit } = this;
    this.submit = (connection) => {
      this.connection = connection;
      return submit.call(this, connection);
    };
  }

  override handleDataRow(row: { length: number }): void {
    if (this.isStopped) return;
    try {
      const turn = this.counting.onRow(row.length);
      if (turn) void this.pause(turn);
    } catch (error) {
      return this.stop(error as Error);
    }
    super.handleDataRow(row);
  }

  private async pause(turn: Promise<void>): Promise<void> {
    const stream = this.connection?.stream;
    stream?.pause();
    try {
      await turn;
      stream?.resume();
    } catch (error) {
      this.stop(error as Error);
    }
  }

  /** Closes the connection too: nothing else stops the rows that are being sent. */
  private stop(error: Error): void {
    this.isStopped = true;
    this.counting.stoppedBy ??= error;
    this.connection?.stream.destroy();
  }
}
