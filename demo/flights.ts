import { join } from 'node:path';
import { DuckDBInstance, type DuckDBConnection } from '@duckdb/node-api';

export interface Flight {
  date: string;
  distance: number;
  origin: string;
  destination: string;
}

/** Departure airports that the first model does not know: small ones, far from the big hubs. */
const OTHER_AIRPORTS = ['HNL', 'OGG', 'LIH', 'KOA', 'ITO', 'ANC', 'SJU', 'FAI', 'JNU', 'GUM', 'STT', 'STX'];

/** Three million real US flights of January to June 2001, from the npm package vega-datasets. */
export class Flights {
  private readonly connection: DuckDBConnection;

  private constructor(connection: DuckDBConnection) {
    this.connection = connection;
  }

  static async open(parquetPath: string): Promise<Flights> {
    const connection = await (await DuckDBInstance.create(':memory:')).connect();
    await connection.run(`create view flights as select * from read_parquet('${parquetPath.replaceAll("'", "''")}')`);
    return new Flights(connection);
  }

  /** Writes the known flights of [from, to) to a Parquet file; returns the number of rows. */
  async export(
    folder: string,
    name: string,
    from: string,
    to: string,
    withOthers: boolean,
  ): Promise<{ path: string; rows: number }> {
    const path = join(folder, `${name}.parquet`);
    const airports = withOthers ? '' : `and origin not in (${quoted(OTHER_AIRPORTS)})`;
    await this.connection.run(
      `copy (select date, delay, distance, origin, destination from flights where date >= '${from}'
        and date < '${to}' ${airports})
       to '${path.replaceAll("'", "''")}' (format parquet)`,
    );
    const rows = await this.connection.runAndReadAll(
      `select count(*)::int as n from read_parquet('${path.replaceAll("'", "''")}')`,
    );
    return { path, rows: Number(rows.getRows()[0]?.[0]) };
  }

  /** Writes the flights of [from, to), each with the delay of another one, to a Parquet file. */
  async exportShuffled(folder: string, name: string, from: string, to: string): Promise<string> {
    const path = join(folder, `${name}.parquet`);
    const period = `from flights where date >= '${from}' and date < '${to}'`;
    await this.connection.run(
      `copy (select f.date, d.delay, f.distance, f.origin, f.destination
        from (select *, row_number() over (order by date, origin, destination) as n ${period}) f
        join (select delay, row_number() over (order by hash(date::varchar || origin || destination)) as n ${period}) d
          using (n))
       to '${path.replaceAll("'", "''")}' (format parquet)`,
    );
    return path;
  }

  /** The same with the truth: whether each flight was more than 15 minutes late. */
  async labelled(from: string, to: string, rows: number): Promise<(Flight & { late: boolean })[]> {
    const airports = `origin not in (${quoted(OTHER_AIRPORTS)})`;
    const result = await this.connection.runAndReadAll(
      `select strftime(date, '%Y-%m-%dT%H:%M:%SZ') as date, distance::double as distance, origin, destination,
         delay > 15 as late
       from flights where date >= '${from}' and date < '${to}' and delay is not null and ${airports}
       order by hash(date::varchar || destination || origin) limit ${rows}`,
    );
    return result.getRowObjectsJson() as unknown as (Flight & { late: boolean })[];
  }

  /** Real flights of a period, in a random order that is always the same. */
  async traffic(options: { from: string; to: string; others: boolean; rows: number; seed: number }): Promise<Flight[]> {
    const airports = `origin ${options.others ? '' : 'not '}in (${quoted(OTHER_AIRPORTS)})`;
    const result = await this.connection.runAndReadAll(
      `select strftime(date, '%Y-%m-%dT%H:%M:%SZ') as date, distance::double as distance, origin, destination
       from flights where date >= '${options.from}' and date < '${options.to}' and ${airports}
       order by hash(date::varchar || origin || destination || ${options.seed}) limit ${options.rows}`,
    );
    return result.getRowObjectsJson() as unknown as Flight[];
  }
}

function quoted(values: string[]): string {
  return values.map((value) => `'${value}'`).join(', ');
}
