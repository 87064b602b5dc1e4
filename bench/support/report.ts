export function median(values: number[]): number {
  return percentile(values, 0.5);
}

/** The smallest value that is not exceeded by a fraction `p` of the values. */
export function percentile(values: number[], p: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const value = sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(p * sorted.length) - 1))];
  if (value === undefined) throw new Error('a percentile of nothing');
  return value;
}

export type Figures = { [name: string]: number | string | boolean | number[] | Figures };

/**
 * Prints the results: one JSON line with `--json`, otherwise a table. `ratio` is compared with `goal`; `better` says
 * whether a higher or a lower ratio is good.
 */
export function report(bench: string, ratio: number, goal: number, better: 'higher' | 'lower', figures: Figures): void {
  const ok = better === 'higher' ? ratio >= goal : ratio <= goal;
  const result: Figures = { bench, ratio, goal, better, ok, ...figures };
  if (process.argv.includes('--json')) {
    process.stdout.write(
      `${JSON.stringify(result, (_key, value: unknown) => (typeof value === 'number' ? Number(value.toPrecision(4)) : value))}\n`,
    );
    return;
  }
  const rows = flatten(result);
  const width = Math.max(...rows.map(([name]) => name.length));
  process.stdout.write(`${rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join('\n')}\n`);
}

function flatten(figures: Figures, prefix = ''): [string, string][] {
  return Object.entries(figures).flatMap(([name, value]): [string, string][] => {
    if (Array.isArray(value)) return [[prefix + name, value.map(show).join(' ')]];
    if (typeof value === 'object') return flatten(value, `${prefix}${name}.`);
    return [[prefix + name, typeof value === 'number' ? show(value) : String(value)]];
  });
}

function show(value: number): string {
  return Math.abs(value) >= 1000 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(4)));
}
