import { isDeepStrictEqual } from 'node:util';

/** One request and its answer, as differential/talk.py writes them. */
export interface Exchange {
  topic: string;
  request: string;
  status: number;
  body: unknown;
}

export interface Difference {
  topic: string;
  /** Which exchange of the topic. */
  exchange: number;
  request: string;
  /** The place in the answer, e.g. `body.run.info.user_id`. */
  at: string;
  mlflow: unknown;
  here: unknown;
  /** Both statuses, as `400 404`. */
  statuses: string;
  /** The messages of both, when they are errors. */
  said: { mlflow: string; here: string };
}

/** An accepted difference. Every given part is a regular expression, and all of them must match. */
export interface Accepted {
  what: string;
  why: string;
  /** The number of requests in which it occurs, so that it does not hide others. */
  requests: number;
  topic?: string;
  request?: string;
  at?: string;
  statuses?: string;
  mlflowSays?: string;
  hereSays?: string;
  /**
   * Matched against the JSON of MLflow's answer at this place, or of this service's; an absent value is `undefined`.
   */
  mlflow?: string;
  here?: string;
}

export const shown = (value: unknown) => (value === undefined ? 'undefined' : JSON.stringify(value));

function* differencesOf(
  at: string,
  mlflow: unknown,
  here: unknown,
): Generator<Pick<Difference, 'at' | 'mlflow' | 'here'>> {
  if (isDeepStrictEqual(mlflow, here)) return;
  const bothLists = Array.isArray(mlflow) && Array.isArray(here) && mlflow.length === here.length;
  const bothObjects = isObject(mlflow) && isObject(here);
  if (!bothLists && !bothObjects) return yield { at, mlflow, here };
  const [left, right] = [mlflow as Record<string, unknown>, here as Record<string, unknown>];
  for (const key of new Set([...Object.keys(left), ...Object.keys(right)]))
    yield* differencesOf(`${at}.${key}`, left[key], right[key]);
}

const isObject = (value: unknown) => value !== null && typeof value === 'object' && !Array.isArray(value);

/** All differences between two transcripts of the same conversations. */
export function compare(mlflow: Exchange[], here: Exchange[]): Difference[] {
  const topics = [...new Set([...mlflow, ...here].map(({ topic }) => topic))];
  return topics.flatMap((topic) => {
    const [theirs, ours] = [mlflow, here].map((exchanges) => exchanges.filter((one) => one.topic === topic)) as [
      Exchange[],
      Exchange[],
    ];
    return Array.from({ length: Math.max(theirs.length, ours.length) }, (_, i) => i).flatMap((i) => {
      const [left, right] = [theirs[i], ours[i]];
      const request = left?.request ?? right?.request ?? '';
      const whole = {
        topic,
        exchange: i,
        request,
        statuses: `${left?.status} ${right?.status}`,
        said: { mlflow: messageOf(left), here: messageOf(right) },
      };
      if (left?.request !== right?.request)
        return [{ ...whole, at: 'request', mlflow: left?.request, here: right?.request }];
      if (!left || !right) return [];
      const parts = [
        ...differencesOf('status', left.status, right.status),
        ...differencesOf('body', left.body, right.body),
      ];
      return parts.map((part) => ({ ...whole, ...part }));
    });
  });
}

const messageOf = (exchange: Exchange | undefined) => {
  const { message, text } = (exchange?.body ?? {}) as { message?: string; text?: string };
  return message ?? text ?? '';
};

const matches = (pattern: string | undefined, text: string) =>
  pattern === undefined || new RegExp(pattern, 's').test(text);

const isAccepted = (one: Accepted, { topic, request, at, mlflow, here, statuses, said }: Difference) =>
  matches(one.topic, topic) &&
  matches(one.request, request) &&
  matches(one.at, at) &&
  matches(one.statuses, statuses) &&
  matches(one.mlflowSays, said.mlflow) &&
  matches(one.hereSays, said.here) &&
  matches(one.mlflow, shown(mlflow)) &&
  matches(one.here, shown(here));

/** Sorts differences under the first entry that accepts each; the others remain. */
export function sortUnder(
  list: readonly Accepted[],
  differences: Difference[],
): { left: Difference[]; requests: number[] } {
  const met = list.map(() => new Set<string>());
  const left = differences.filter((one) => {
    const index = list.findIndex((entry) => isAccepted(entry, one));
    met[index]?.add(`${one.topic} ${one.exchange}`);
    return index < 0;
  });
  return { left, requests: met.map(({ size }) => size) };
}
