import type { Session } from '../../../db/database.js';
import { statement, type RowOf } from '../../../db/statement.js';
import { thinLong } from './metric-history.js';

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

const PLACE: Record<CurveAxis, string> = {
  STEP: 'm.step::float8',
  // Not extract: its numeric is ten times as slow.
  TIME: `date_part('epoch', m.logged_at - r.started_at)`,
};

/**
 * $1 to $4 are the histories that are read whole: number, key number, run and key. $6 to $9 are the points of long
 * ones: number, key number, run and sequence number. Grouping by keys and ids takes twice as long as by numbers.
 */
const curvesText = (axis: CurveAxis) => {
  const columns = `h.n, h.k, m.value, m.logged_at, m.seq, ${PLACE[axis]} as place`;
  return `with points as not materialized (
      select ${columns} from unnest($1::int[], $2::int[], $3::uuid[], $4::text[]) as h(n, k, run_id, key)
        join metric_point m on m.run_id = h.run_id and m.key = h.key join run r on r.tenant = m.tenant
          and r.id = m.run_id where m.tenant = $5
      union all
      select ${columns} from unnest($6::int[], $7::int[], $8::uuid[], $9::bigint[]) as h(n, k, run_id, seq)
        join metric_point m on m.run_id = h.run_id and m.seq = h.seq join run r on r.tenant = m.tenant
          and r.id = m.run_id where m.tenant = $5),
    spans as (select k, min(place) as low, max(place) as high, count(*) as points from points group by k)
    select p.n, b.bucket, max(p.place) as place,
      (max(array[p.place, date_part('epoch', p.logged_at), p.seq::float8, p.value]))[4] as value,
      min(p.value) filter (where p.value <> 'NaN') as low, max(p.value) filter (where p.value <> 'NaN') as high
    from points p join spans s using (k),
      lateral (select case when s.points <= $10::int or s.high = s.low then p.place
        else least(floor((p.place - s.low) / (s.high - s.low) * $10::int), $10::int - 1) end as bucket) b
    group by p.n, b.bucket order by b.bucket`;
};

/**
 * One run's value in one stretch of the axis; `n` says of which history: all keys of the first run, then of the next.
 */
const ROW = {
  n: 'integer',
  bucket: 'double precision',
  place: 'double precision',
  value: 'double precision',
  low: 'double precision?',
  high: 'double precision?',
} as const;

type Row = RowOf<typeof ROW>;

const curvesByStep = statement({ name: 'metric_curves_by_step', text: curvesText('STEP'), row: ROW });
const curvesByTime = statement({ name: 'metric_curves_by_time', text: curvesText('TIME'), row: ROW });

/** Points of a long history per stretch of the axis: enough that each holds an extreme of its own points. */
const POINTS_PER_STRETCH = 6;

/**
 * Courses of metrics over several runs on one axis. With more points than `maxPoints` the axis is parted into as many
 * equal stretches, and each run has one value per stretch with the least and the greatest beside it, so that peaks stay
 * visible; all in the database. Histories that are too long to be read whole take part with the points that show them,
 * their extremes among them.
 */
export async function metricCurves(
  session: Session,
  runIds: readonly string[],
  keys: readonly string[],
  axis: CurveAxis,
  maxPoints: number,
): Promise<MetricCurves[]> {
  const histories = runIds.flatMap((runId) =>
    keys.map((key) => ({ runId, key, maxPoints: POINTS_PER_STRETCH * maxPoints })),
  );
  const thinned = await thinLong(session, histories);
  const numbered = histories.map((history, n) => ({ ...history, n, keyNumber: keys.indexOf(history.key) }));
  const whole = numbered.filter(({ n }) => thinned[n] === null);
  const shown = numbered.flatMap(({ n, keyNumber, runId }) =>
    [...(thinned[n] ?? [])].map((seq) => ({ n, keyNumber, runId, seq })),
  );
  const read = axis === 'STEP' ? curvesByStep : curvesByTime;
  const rows = await read(session.em, [
    ...[whole.map(({ n }) => n), whole.map(({ keyNumber }) => keyNumber)],
    ...[whole.map(({ runId }) => runId), whole.map(({ key }) => key)],
    session.tenant,
    ...[shown.map(({ n }) => n), shown.map(({ keyNumber }) => keyNumber)],
    ...[shown.map(({ runId }) => runId), shown.map(({ seq }) => seq)],
    maxPoints,
  ]);
  const byKey = Map.groupBy(rows, ({ n }) => keys[n % keys.length]!);
  return keys.map((key) => curvesOf(key, axis, runIds, keys.length, byKey.get(key) ?? []));
}

function curvesOf(
  key: string,
  axis: CurveAxis,
  runIds: readonly string[],
  keyCount: number,
  rows: readonly Row[],
): MetricCurves {
  const stretches = [...Map.groupBy(rows, ({ bucket }) => bucket).values()];
  const indexes = stretches.map(
    (stretch) => new Map(stretch.map((row) => [runIds[Math.floor(row.n / keyCount)], row])),
  );
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
