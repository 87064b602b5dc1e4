import { useEffect, useRef, useSyncExternalStore } from 'react';
import { fieldsOf, seriesOf, type Series } from './series.js';
import { forgetSubscription, newestSubscription, type Subscription } from './subscription.js';

const SHOWN_MESSAGES = 200;
const CHART = { width: 560, height: 120, margin: 4 };
const COLOURS = ['#0f9488', '#d97706', '#2563eb', '#db2777', '#65a30d', '#7c3aed'];
const STATES: Record<Subscription['state'], string> = { LIVE: 'live', ENDED: 'ended', FAILED: 'failed' };

/** Shown below the answer: all messages of the newest subscription, and its numbers as curves. */
export function Messages() {
  const subscription = useSyncExternalStore(newestSubscription.subscribe, newestSubscription.get);
  const end = useRef<HTMLTableRowElement>(null);
  useEffect(() => {
    end.current?.scrollIntoView({ block: 'nearest' });
  }, [subscription?.received]);
  if (!subscription) return null;
  const rows = subscription.messages.map(({ at, data }) => ({ at, fields: fieldsOf(data) }));
  const names = [...new Set(rows.flatMap(({ fields }) => Object.keys(fields)))];
  const { received, state, name } = subscription;
  return (
    <section className="messages" aria-label="Messages of the subscription">
      <header>
        <b>{name}</b>
        <span className={`state state-${STATES[state]}`}>{STATES[state]}</span>
        <span>
          {received.toLocaleString()} message{received === 1 ? '' : 's'}
          {received > SHOWN_MESSAGES && `, the last ${SHOWN_MESSAGES} below`}
        </span>
        <button type="button" onClick={forgetSubscription}>
          Close
        </button>
      </header>
      <Chart curves={seriesOf(rows.map(({ fields }) => fields))} />
      <div className="message-list">
        <table>
          <thead>
            <tr>
              <th>received</th>
              {names.map((column) => (
                <th key={column}>{column}</th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.slice(-SHOWN_MESSAGES).map(({ at, fields }, i, { length }) => (
              <tr key={received - length + i} ref={i === length - 1 ? end : null}>
                <td>{new Date(at).toLocaleTimeString()}</td>
                {names.map((column) => (
                  <td key={column}>{shown(fields[column])}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function shown(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'number' && !Number.isInteger(value)) return value.toPrecision(6);
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** Each curve has its own range, because a loss and a count cannot share an axis. */
function Chart({ curves }: { curves: Series[] }) {
  if (curves.length === 0) return null;
  const { width, height, margin } = CHART;
  const xs = curves.flatMap(({ points }) => points.map(({ x }) => x));
  const placeX = scale(xs, margin, width - margin);
  return (
    <figure className="chart">
      <svg
        viewBox={`0 0 ${width} ${height}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`Curves of ${curves.map(({ name }) => name).join(', ')}`}
      >
        {curves.map(({ name, points }, i) => {
          const placeY = scale(
            points.map(({ y }) => y),
            height - margin,
            margin,
          );
          return (
            <polyline
              key={name}
              fill="none"
              stroke={COLOURS[i % COLOURS.length]}
              strokeWidth="2"
              vectorEffect="non-scaling-stroke"
              points={points.map(({ x, y }) => `${placeX(x)},${placeY(y)}`).join(' ')}
            />
          );
        })}
      </svg>
      <figcaption>
        {curves.map(({ name, points }, i) => (
          <span key={name} style={{ color: COLOURS[i % COLOURS.length] }}>
            {name} {shown(points[0]?.y)} → {shown(points.at(-1)?.y)}
          </span>
        ))}
      </figcaption>
    </figure>
  );
}

function scale(values: readonly number[], from: number, to: number): (value: number) => number {
  const low = values.reduce((a, b) => Math.min(a, b), Infinity);
  const high = values.reduce((a, b) => Math.max(a, b), -Infinity);
  return (value) => (high === low ? (from + to) / 2 : from + ((value - low) / (high - low)) * (to - from));
}
