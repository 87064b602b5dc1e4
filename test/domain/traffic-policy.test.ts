import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Role } from '../../src/modules/core/rules/principal.js';
import { pickDeployment } from '../../src/modules/serving/rules/traffic.js';
import {
  type Caller,
  explainRoute,
  requireOwnAttributes,
  requireRules,
  routeRequest,
  trafficPolicy,
} from '../../src/modules/serving/rules/traffic-policy.js';

const principal = { subject: 'ada', tenant: 'acme', role: Role.VIEWER };
const caller = (more: Partial<Caller> = {}): Caller => ({ attributes: [], headers: {}, principal, ...more });
const DEPLOYMENTS = [
  { id: 'stable', weightBps: 10_000 },
  { id: 'beta', weightBps: 0 },
];
const rule = (attribute: string, ...values: string[]) => ({ attribute, values, deploymentId: 'beta' });
const routed = (rules: ReturnType<typeof rule>[], who: Caller) =>
  routeRequest(trafficPolicy(DEPLOYMENTS, rules), 'key', who)?.id;

const words = fc.constantFrom('a', 'b', 'c', 'header.x', 'caller.role', '__proto__');
const attributes = fc.array(fc.record({ name: words, value: words }), { maxLength: 4 });
const ids = fc.constantFrom('d0', 'd1', 'd2', 'gone');
const someRules = fc.array(
  fc.record({ attribute: words, values: fc.array(words, { minLength: 1, maxLength: 3 }), deploymentId: ids }),
  { maxLength: 4 },
);
const weighted = fc
  .array(fc.nat(10_000), { minLength: 3, maxLength: 3 })
  .map((parts) => parts.map((weightBps, index) => ({ id: `d${index}`, weightBps })));

describe('traffic policy', () => {
  it('sends callers of a rule to its deployment, whatever its weight, and the others by weight', () => {
    const rules = [rule('country', 'DE', 'AT'), rule('header.x-beta', 'yes'), rule('caller.subject', 'bob')];
    expect(routed(rules, caller())).toBe('stable');
    expect(routed(rules, caller({ attributes: [{ name: 'country', value: 'AT' }] }))).toBe('beta');
    expect(routed(rules, caller({ attributes: [{ name: 'country', value: 'FR' }] }))).toBe('stable');
    expect(routed(rules, caller({ headers: { 'x-beta': 'yes' } }))).toBe('beta');
    expect(routed(rules, caller({ headers: { 'x-beta': ['yes', 'no'] } }))).toBe('stable');
    expect(routed(rules, caller({ principal: { ...principal, subject: 'bob' } }))).toBe('beta');
    expect(routed([rule('header.constructor', 'x')], caller())).toBe('stable');
  });

  it('the first rule that matches counts, and one without its deployment is passed over', () => {
    const to = (attribute: string, deploymentId: string) => ({ attribute, values: ['1'], deploymentId });
    const policy = trafficPolicy(DEPLOYMENTS, [to('a', 'gone'), to('a', 'beta'), to('a', 'stable')]);
    expect(explainRoute(policy, 'key', caller({ attributes: [{ name: 'a', value: '1' }] }))).toEqual({
      target: DEPLOYMENTS[1],
      rule: 1,
      reason: 'Rule 1 matches: a is "1".',
    });
    expect(explainRoute(policy, 'key', caller())?.reason).toBe(
      'No rule matches. This deployment has a weight of 10000: it gets 100 % of the routing keys, and this key is ' +
        'one of them.',
    );
    expect(explainRoute(trafficPolicy([DEPLOYMENTS[1]!], []), 'key', caller())).toBeNull();
  });

  it('without a rule that matches, the weights alone decide; the preview says what the request gets', () => {
    fc.assert(
      fc.property(weighted, someRules, attributes, fc.string(), (deployments, given, facts, key) => {
        const policy = trafficPolicy(deployments, given);
        const who = caller({ attributes: facts });
        const target = routeRequest(policy, key, who);
        const explained = explainRoute(policy, key, who);
        expect(explained?.target.id).toBe(target?.id);
        if (explained?.rule == null) expect(target?.id).toBe(pickDeployment(deployments, key)?.id);
        else expect(given[explained.rule]!.deploymentId).toBe(target?.id);
      }),
    );
  });

  it('a changed weight moves no key that a rule holds, and else only those it must', () => {
    fc.assert(
      fc.property(
        weighted,
        someRules,
        attributes,
        fc.nat(2),
        fc.integer({ min: 1, max: 5_000 }),
        fc.string(),
        (...all) => {
          const [deployments, given, facts, raised, by, key] = all;
          const after = deployments.map((one, i) => (i === raised ? { ...one, weightBps: one.weightBps + by } : one));
          const who = caller({ attributes: facts });
          const before = explainRoute(trafficPolicy(deployments, given), key, who);
          const now = explainRoute(trafficPolicy(after, given), key, who);
          expect(now).not.toBeNull();
          if (before?.rule != null) expect(now!.target.id).toBe(before.target.id);
          else expect([before?.target.id, `d${raised}`]).toContain(now!.target.id);
        },
      ),
    );
  });

  it('refuses rules that can never match, and attributes that only the service sets', () => {
    const check = (attribute: string) => () => requireRules([rule(attribute, 'x')], 'input.rules');
    for (const fine of ['country', 'header.x-beta', 'caller.tenant', '__proto__']) expect(check(fine)).not.toThrow();
    for (const wrong of ['header.X-Beta', 'header.', 'header.cookie', 'header.authorization', 'caller.name'])
      expect(check(wrong)).toThrow('input.rules[0].attribute');
    const claim = (name: string) => () => requireOwnAttributes([{ name, value: 'x' }], 'input.attributes');
    expect(claim('country')).not.toThrow();
    expect(claim('caller.role')).toThrow('input.attributes[0].name');
    expect(claim('header.x')).toThrow('input.attributes[0].name');
  });
});
