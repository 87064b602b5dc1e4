import type { Session } from '../../../db/database.js';
import { statement, type RowOf } from '../../../db/statement.js';
import { thinLong } from './metric-history.js';

export type CurveAxis = 'STEP' | 'TIME';

/** The values of one run at the places of the axis; null where it logged nothing. */
export interface CurveSeries {
  runId: string;
  /** The last value since the previous place, up to this one. */
  values: (number | null)[];
  /** The least and the greatest number there; NaN is ignored. */
  lows: (number | null)[];
  highs: (number | null)[];
}

export interface MetricCurves {
  key: string;
  axis: CurveAxis;
  /** Steps, or seconds since the start of each run; ascending. */
  places: number[];
  series: CurveSeries[];
}

const PLACE: Record<CurveAxis, string> = {
  STEP: 'm.step::float8',
  // `date_part`, not `extract`: the numeric type that extract returns is ten times as slow.
  TIME: `date_part('epoch', m.logged_at - r.started_at)`,
};

/**
 * $1 to $4 describe the histories that are read as a whole: number, key number, run and key. $6 to $9 describe points
 * of long histories: number, key number, run and sequence number. Grouping by keys and ids would take twice as long as
 * by numbers.
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
 * The value of one run in one interval of the axis. `n` numbers the histories: all keys of the first run, then of the
 * next.
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

/** Points of a long history per interval of the axis: enough for the interval to contain its extreme points. */
const POINTS_PER_STRETCH = 6;

/**
 * Metrics of several runs on one axis, computed in the database. If there are more points than `maxPoints`, the axis is
 * divided into that many equal intervals. Each run has one value per interval, with the least and the greatest value
 * beside it, so that peaks stay visible. Of histories that are too long to be read as a whole, the points that show
 * their shape and extremes are used.
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
