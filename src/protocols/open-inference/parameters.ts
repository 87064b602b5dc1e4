import { badInput } from '../../errors.js';

/** What a request asks for beside its tensors. */
export interface CallParameters {
  deadlineMs: number | null;
  priority: number | null;
  routingKey: string | null;
  /** For the rules of the endpoint's traffic policy; null for none. */
  attributes: { name: string; value: string }[] | null;
}

const RESERVED: ReadonlySet<string> = new Set(['timeout', 'priority', 'routing_key', 'sequence_id']);
const MICROSECONDS_PER_MS = 1_000;
const LOWEST_DEADLINE_MS = 1;

/** Reads the parameters of a request that this service knows; others are left to the client. */
export function readParameters(given: Readonly<Record<string, unknown>>): CallParameters {
  const timeout = whole('parameters.timeout', given['timeout']);
  const priority = whole('parameters.priority', given['priority']);
  const { routing_key: key, sequence_id: sequence } = given;
  if (key !== undefined && typeof key !== 'string') throw badInput('parameters.routing_key', 'a text', key);
  return {
    // 0 is "not set" in both.
    deadlineMs: timeout ? Math.max(LOWEST_DEADLINE_MS, timeout / MICROSECONDS_PER_MS) : null,
    priority: priority || null,
    // The requests of a sequence are answered by one version.
    routingKey: key ?? (isSequence(sequence) ? `sequence ${sequence}` : null),
    attributes: attributesOf(given),
  };
}

/** Texts that clients add under names of their own. */
function attributesOf(given: Readonly<Record<string, unknown>>): CallParameters['attributes'] {
  let attributes: CallParameters['attributes'] = null;
  for (const name in given) {
    const value = given[name];
    if (typeof value === 'string' && !RESERVED.has(name)) (attributes ??= []).push({ name, value });
  }
  return attributes;
}

const isSequence = (value: unknown): value is string | number =>
  (typeof value === 'number' && value !== 0) || (typeof value === 'string' && value !== '');

function whole(field: string, value: unknown): number | null {
  if (value === undefined || value === null) return null;
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw badInput(field, 'a whole number from 0', value);
  return value as number;
}

const NOTHING: Readonly<Record<string, unknown>> = Object.freeze({});

/** An object of a request; an absent one is empty. */
export function objectAt(field: string, value: unknown): Readonly<Record<string, unknown>> {
  if (value === undefined || value === null) return NOTHING;
  if (typeof value !== 'object' || Array.isArray(value)) throw badInput(field, 'an object', value);
  return value as Readonly<Record<string, unknown>>;
}
