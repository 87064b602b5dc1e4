/** Numbers in the messages of a subscription, as curves. */
export interface Series {
  name: string;
  points: { x: number; y: number }[];
}

const MAX_SERIES = 6;
/** Counters, for which a curve is useless. */
const COUNTERS = new Set(['seq', 'step', 'epoch', 'timestamp', 'version', 'sizeBytes']);

/** The fields of a message; fields of nested objects by their path. */
export function fieldsOf(data: Record<string, unknown>): Record<string, unknown> {
  const [only, ...others] = Object.values(data);
  return others.length === 0 && isRecord(only) ? flattened(only) : flattened(data);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function flattened(value: Record<string, unknown>, path = ''): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, inner]) =>
      isRecord(inner) ? Object.entries(flattened(inner, `${path}${key}.`)) : [[`${path}${key}`, inner]],
    ),
  );
}

/**
 * One curve per `key` when messages have key and value, as metrics do; otherwise one per numeric field. Over `step`
 * when it exists.
 */
export function seriesOf(messages: readonly Record<string, unknown>[]): Series[] {
  const curves = new Map<string, Series>();
  messages.forEach((fields, index) => {
    const x = typeof fields.step === 'number' ? fields.step : index;
    const isMetric = typeof fields.key === 'string' && typeof fields.value === 'number';
    const numbers = isMetric
      ? [[fields.key, fields.value] as const]
      : Object.entries(fields).filter(([name]) => !COUNTERS.has(name));
    for (const [name, y] of numbers) {
      if (typeof y !== 'number' || !Number.isFinite(y)) continue;
      const curve = curves.get(String(name)) ?? { name: String(name), points: [] };
      curve.points.push({ x, y });
      curves.set(curve.name, curve);
    }
  });
  return [...curves.values()].filter(({ points }) => points.length > 1).slice(0, MAX_SERIES);
}
