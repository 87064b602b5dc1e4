import { characters, FULL_WEIGHT_BPS, type InputRange, type Principal } from '../../core/index.js';
import { badInput } from '../../../errors.js';
import { pickDeployment, type WeightedDeployment } from './traffic.js';

/** Sends the requests of certain callers to one deployment; the weights divide the others. */
export interface TrafficRule {
  /** The name of an attribute; `header.<name>` and `caller.<name>` are known without the caller's word. */
  attribute: string;
  values: string[];
  deploymentId: string;
}

/** What a caller says about a request, e.g. its country or the customer for whom it asks. */
export interface CallerAttribute {
  name: string;
  value: string;
}

export type RequestHeaders = Readonly<Record<string, string | string[] | undefined>>;

/** All that rules look at. */
export interface Caller {
  attributes: readonly CallerAttribute[];
  /** With names in lower case. */
  headers: RequestHeaders;
  principal: Pick<Principal, 'subject' | 'tenant' | 'role'>;
}

interface Rule<D> {
  /** Its place in the endpoint's list, from 0. */
  position: number;
  attribute: string;
  values: ReadonlySet<string>;
  target: D;
}

/** Which deployment answers a request: that of the first rule that matches; without one, the weights decide. */
export interface TrafficPolicy<D> {
  /** Deployments with a weight above 0. */
  weighted: readonly D[];
  rules: readonly Rule<D>[];
}

export interface Routed<D> {
  target: D;
  /** The position of the rule that chose it; null when the weights did. */
  rule: number | null;
}

export const CALLER_ATTRIBUTES = {
  min: 1,
  max: 50,
  unit: 'attributes',
  fields: { name: characters(1, 100), value: characters(0, 250) },
} satisfies InputRange;

const OF_HEADERS = 'header.';
const OF_CALLER = 'caller.';
/** The service knows these itself, so that no caller can claim them. */
const OF_TOKEN = ['subject', 'role', 'tenant'] as const;
/** They carry secrets. */
const HIDDEN_HEADERS: readonly string[] = ['authorization', 'proxy-authorization', 'cookie'];

/** Rules of deployments that are not in the list are left out: their requests go by the next rule, or by weight. */
export function trafficPolicy<D extends WeightedDeployment>(
  deployments: readonly D[],
  rules: readonly TrafficRule[],
): TrafficPolicy<D> {
  return {
    weighted: deployments.filter(({ weightBps }) => weightBps > 0),
    rules: rules.flatMap(({ attribute, values, deploymentId }, position) => {
      const target = deployments.find(({ id }) => id === deploymentId);
      return target ? [{ position, attribute, values: new Set(values), target }] : [];
    }),
  };
}

/** The deployment that answers a request; null when no rule matches and none has weight. */
export function routeRequest<D extends WeightedDeployment>(
  policy: TrafficPolicy<D>,
  routingKey: string,
  caller: Caller,
): D | null {
  const { weighted, rules } = policy;
  if (rules.length > 0) {
    const rule = matchingRule(rules, caller);
    if (rule) return rule.target;
  }
  return weighted.length === 1 ? weighted[0]! : pickDeployment(weighted, routingKey);
}

/** The same with the reason. */
export function explainRoute<D extends WeightedDeployment>(
  policy: TrafficPolicy<D>,
  routingKey: string,
  caller: Caller,
): (Routed<D> & { reason: string }) | null {
  const target = routeRequest(policy, routingKey, caller);
  if (!target) return null;
  const rule = matchingRule(policy.rules, caller);
  if (rule) {
    const reason = `Rule ${rule.position} matches: ${rule.attribute} is "${valueOf(caller, rule.attribute)}".`;
    return { target, rule: rule.position, reason };
  }
  const why = policy.rules.length > 0 ? 'No rule matches. ' : '';
  const share = `${(target.weightBps / FULL_WEIGHT_BPS) * 100} % of the routing keys`;
  const reason = `${why}This deployment has a weight of ${target.weightBps}: it gets ${share}, and this key is one of them.`;
  return { target, rule: null, reason };
}

/** Refuses rules that could never match, or that the service would match by itself in another way. */
export function requireRules(rules: readonly TrafficRule[], field: string): void {
  for (const [index, { attribute }] of rules.entries()) {
    const at = `${field}[${index}].attribute`;
    if (attribute.startsWith(OF_CALLER)) {
      if (!OF_TOKEN.some((name) => attribute === OF_CALLER + name))
        throw badInput(at, OF_TOKEN.map((name) => OF_CALLER + name).join(', '), attribute);
    } else if (attribute.startsWith(OF_HEADERS)) {
      const name = attribute.slice(OF_HEADERS.length);
      if (!/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name) || HIDDEN_HEADERS.includes(name))
        throw badInput(at, 'header. and the name of a header in lower case that carries no secret', attribute);
    }
  }
}

/** Refuses attributes that the service knows itself. */
export function requireOwnAttributes(attributes: readonly CallerAttribute[], field: string): void {
  const index = attributes.findIndex(({ name }) => name.startsWith(OF_HEADERS) || name.startsWith(OF_CALLER));
  if (index < 0) return;
  const expected = `a name that does not begin with ${OF_HEADERS} or ${OF_CALLER}, which the service sets itself`;
  throw badInput(`${field}[${index}].name`, expected, attributes[index]!.name);
}

function matchingRule<D>(rules: readonly Rule<D>[], caller: Caller): Rule<D> | undefined {
  return rules.find(({ attribute, values }) => {
    const value = valueOf(caller, attribute);
    return value !== undefined && values.has(value);
  });
}

function valueOf({ attributes, headers, principal }: Caller, attribute: string): string | undefined {
  const given = attributes.find(({ name }) => name === attribute);
  if (given) return given.value;
  if (attribute.startsWith(OF_HEADERS)) {
    const name = attribute.slice(OF_HEADERS.length);
    const value = Object.hasOwn(headers, name) ? headers[name] : undefined;
    return Array.isArray(value) ? value.join(', ') : value;
  }
  const fact = OF_TOKEN.find((name) => attribute === OF_CALLER + name);
  return fact && principal[fact];
}
