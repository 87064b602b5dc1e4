import pg from 'pg';
import { diskFull } from '../errors.js';

/** Readiness is asked every few seconds and must be answered at once. */
const LONGEST_MS = 1_500;
/**
 * Writes more than a file has free space for, so that the file must grow. It uses a temporary table, which leaves
 * nothing.
 */
const WRITE =
  'create temporary table matih_disk_probe on commit drop as ' +
  "select repeat('x', 1900) as filling from generate_series(1, 300)";

/**
 * Checks on its own connection whether the database answers and accepts writes, so that a busy pool or a frozen server
 * does not delay the result.
 */
export class DatabaseProbe {
  private client: pg.Client | null = null;
  private looking: Promise<string[]> | null = null;
  private diskWasFull = false;

  constructor(private readonly url: string) {}

  /** Called when a write failed with this error: writes count as failing until one succeeds. */
  noteFailure(error: unknown): void {
    if (diskFull(error)) this.diskWasFull = true;
  }

  /** What is wrong with the database; empty when all is well. Never rejects. */
  problems(): Promise<string[]> {
    this.looking ??= this.look().finally(() => {
      this.looking = null;
    });
    return this.looking;
  }

  async close(): Promise<void> {
    await this.client?.end().catch(() => undefined);
  }

  private async look(): Promise<string[]> {
    const client = this.client ?? this.newClient();
    const timer = setTimeout(() => client.connection.stream.destroy(), LONGEST_MS);
    try {
      if (this.client === null) await client.connect();
      this.client = client;
      await client.query('select 1');
      if (this.diskWasFull) this.diskWasFull = await cannotWrite(client);
      return this.diskWasFull ? ['database: the disk is full'] : [];
    } catch {
      this.client = null;
      client.connection.stream.destroy();
      return ['database'];
    } finally {
      clearTimeout(timer);
    }
  }

  private newClient(): pg.Client {
    const client = new pg.Client({ connectionString: this.url, application_name: 'matih-readiness', keepAlive: true });
    // When a connection ends between two checks, the next check connects again.
    const forget = () => {
      if (this.client === client) this.client = null;
    };
    client.on('error', forget).on('end', forget);
    return client;
  }
}

/** Other errors, such as a missing privilege, say nothing about the disk. */
async function cannotWrite(client: pg.Client): Promise<boolean> {
  try {
    await client.query(WRITE);
    return false;
  } catch (error) {
    return diskFull(error) !== undefined;
  }
}
