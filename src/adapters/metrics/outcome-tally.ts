import type { Counter, Registry } from '@prometheus-io/client';

interface Outcomes {
  countByCode: Map<string, number>;
  /** One more entry than there are bounds. */
  countByBucket: number[];
  seconds: number;
}

interface MetricText {
  name: string;
  help: string;
}

interface Value {
  metricName?: string;
  labels: Record<string, string | number>;
  value: number;
}

/**
 * Counts outcomes and durations by name in plain numbers. The client library would look up names and labels for each
 * count, and a small prediction makes five.
 */
export class OutcomeTally {
  private readonly byName = new Map<string, Outcomes>();

  /** `label` is the name of the metric's label for the names. */
  constructor(
    private readonly label: string,
    private readonly boundsSeconds: readonly number[],
  ) {}

  add(name: string, code: string, seconds: number): void {
    let outcomes = this.byName.get(name);
    if (!outcomes) {
      outcomes = {
        countByCode: new Map(),
        countByBucket: Array.from({ length: this.boundsSeconds.length + 1 }, () => 0),
        seconds: 0,
      };
      this.byName.set(name, outcomes);
    }
    outcomes.countByCode.set(code, (outcomes.countByCode.get(code) ?? 0) + 1);
    let bucket = 0;
    while (bucket < this.boundsSeconds.length && seconds > this.boundsSeconds[bucket]!) bucket++;
    outcomes.countByBucket[bucket]!++;
    outcomes.seconds += seconds;
  }

  register(registry: Registry, counter: MetricText, histogram: MetricText): void {
    registerValues(registry, 'counter', counter, () => this.counts());
    registerValues(registry, 'histogram', histogram, () => this.durations(histogram.name));
  }

  private counts(): Value[] {
    return [...this.byName].flatMap(([name, { countByCode }]) =>
      Array.from(countByCode, ([code, value]) => ({ labels: { [this.label]: name, code }, value })),
    );
  }

  private durations(metric: string): Value[] {
    return [...this.byName].flatMap(([name, { countByBucket, seconds }]) => {
      const own = { [this.label]: name };
      let count = 0;
      const buckets = countByBucket.map((more, i) => ({
        metricName: `${metric}_bucket`,
        labels: { le: this.boundsSeconds[i] ?? '+Inf', ...own },
        value: (count += more),
      }));
      return [
        ...buckets,
        { metricName: `${metric}_sum`, labels: own, value: seconds },
        { metricName: `${metric}_count`, labels: own, value: count },
      ];
    });
  }
}

/** The registry only calls a metric's `get`, but its types accept only the library's own metrics. */
function registerValues(
  registry: Registry,
  type: 'counter' | 'histogram',
  { name, help }: MetricText,
  values: () => Value[],
): void {
  const metric = { name, get: async () => ({ name, help, type, aggregator: 'sum', values: values() }) };
  registry.registerMetric(metric as unknown as Counter);
}
