import type { Session } from '../../db/database.js';
import { sql } from '../../db/sql.js';

export type CurveAxis = 'STEP' | 'TIME';

/** One run's course over the places of the axis; null where it logged nothing. */
export interface CurveSeries {
  runId: string;
  /** The last value up to the place, since the place before. */
  values: (number | null)[];
  /** The least and the greatest number there; NaN is neither. */
  lows: (number | null)[];
  highs: (number | null)[];
}

export interface MetricCurves {
  key: string;
  axis: CurveAxis;
  /** Steps, or seconds since each run's start; ascending. */
  places: number[];
  series: CurveSeries[];
}

interface Row {
  key: string;
  runId: string;
  bucket: number;
  place: number;
  value: number;
  low: number | null;
  high: number | null;
}

const PLACE: Record<CurveAxis, string> = {
  STEP: 'm.step::float8',
  // Not extract: its numeric is ten times as slow.
  TIME: `date_part('epoch', m.logged_at - r.started_at)`,
};

/**
 * Courses of metrics over several runs on one axis. With more points than `maxPoints` the axis is parted into as many equal stretches, and
 * each run has one value per stretch with the least and the greatest beside it, so that peaks stay visible; all in the database.
 */
export async function metricCurves(
  session: Session,
  runIds: readonly string[],
  keys: readonly string[],
  axis: CurveAxis,
  maxPoints: number,
): Promise<MetricCurves[]> {
  const rows = await sql<Row>(
    session.em,
    `with points as not materialized (
       select m.key, m.run_id, m.value, m.logged_at, m.seq, ${PLACE[axis]} as place
       from metric_point m join run r on r.tenant = m.tenant and r.id = m.run_id
       where m.tenant = ? and m.run_id = any(?::uuid[]) and m.key = any(?::text[])),
     spans as (select key, min(place) as low, max(place) as high, count(*) as points from points group by key)
     select p.key, p.run_id as "runId", b.bucket, max(p.place) as place,
       (max(array[p.place, date_part('epoch', p.logged_at), p.seq::float8, p.value]))[4] as value,
       min(p.value) filter (where p.value <> 'NaN') as low, max(p.value) filter (where p.value <> 'NaN') as high
     from points p join spans s using (key),
       lateral (select case when s.points <= ? or s.high = s.low then p.place
         else least(floor((p.place - s.low) / (s.high - s.low) * ?), ? - 1) end as bucket) b
     group by p.key, p.run_id, b.bucket order by p.key, b.bucket`,
    [session.tenant, runIds, keys, maxPoints, maxPoints, maxPoints],
  );
  const byKey = Map.groupBy(rows, ({ key }) => key);
  return keys.map((key) => curvesOf(key, axis, runIds, byKey.get(key) ?? []));
}

function curvesOf(key: string, axis: CurveAxis, runIds: readonly string[], rows: readonly Row[]): MetricCurves {
  const stretches = [...Map.groupBy(rows, ({ bucket }) => bucket).values()];
  const indexes = stretches.map((stretch) => new Map(stretch.map((row) => [row.runId, row])));
  return {
    key,
    axis,
    places: stretches.map((stretch) => Math.max(...stretch.map(({ place }) => place))),
    series: runIds.map((runId) => {
      const own = indexes.map((stretch) => stretch.get(runId));
      return {
        runId,
        values: own.map((row) => row?.value ?? null),
        lows: own.map((row) => row?.low ?? null),
        highs: own.map((row) => row?.high ?? null),
      };
    }),
  };
}
