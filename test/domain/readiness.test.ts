import { describe, expect, it } from 'vitest';
import { type Followed } from '../../src/modules/serving/rules/following.js';
import { deploymentReadiness, endpointReadiness } from '../../src/modules/serving/rules/readiness.js';

const none = { serving: 0, pending: 0, error: null };
const manual: Followed = { stage: null, alias: null, version: null };
const version = { version: 3, status: 'READY', hasOnnx: true, deploymentStatus: 'PENDING' } as const;

describe('whether an endpoint serves', () => {
  it.each([
    [manual, { ...none, serving: 1 }, true, false, null],
    [manual, { ...none, pending: 1, error: 'x' }, false, true, /being loaded/],
    [manual, { ...none, error: 'It is no ONNX file.' }, false, false, /could not be loaded: It is no ONNX file/],
    [manual, none, false, false, /deployModelVersion/],
    [{ ...manual, stage: 'PRODUCTION' }, none, false, false, /No version is in PRODUCTION/],
    [{ ...manual, stage: 'PRODUCTION', version }, none, false, true, /being loaded/],
    [
      { ...manual, stage: 'PRODUCTION', version: { ...version, deploymentStatus: 'READY' } },
      { ...none, serving: 1 },
      true,
      false,
      null,
    ],
    [
      { ...manual, stage: 'PRODUCTION', version: { ...version, deploymentStatus: 'FAILED' } },
      none,
      false,
      false,
      /could not be loaded/,
    ],
    [{ ...manual, alias: 'champion', version: { ...version, status: 'PENDING' } }, none, false, true, /being stored/],
    // The old version serves until the new one is loaded.
    [{ ...manual, alias: 'champion', version }, { ...none, serving: 1 }, true, true, /being loaded/],
    [
      { ...manual, alias: 'champion', version: { ...version, hasOnnx: false } },
      none,
      false,
      false,
      /convertModelVersion/,
    ],
  ] as const)('%o %o', (followed, live, serves, isOnItsWay, problem) => {
    const found = endpointReadiness(followed, live);
    expect(found).toMatchObject({ serves, isOnItsWay });
    if (problem === null) expect(found.problem).toBeNull();
    else expect(found.problem).toMatch(problem);
  });
});

it.each([
  [{ mode: 'LIVE', status: 'READY', weightBps: 100 }, true, null],
  [{ mode: 'LIVE', status: 'READY', weightBps: 0 }, false, /setTrafficWeights/],
  [{ mode: 'SHADOW', status: 'READY', weightBps: 0 }, true, null],
  [{ mode: 'LIVE', status: 'PENDING', weightBps: 0 }, false, /being loaded/],
  [{ mode: 'LIVE', status: 'FAILED', weightBps: 0, error: 'gone' }, false, /could not be loaded: gone/],
  [{ mode: 'LIVE', status: 'STOPPED', weightBps: 0 }, false, /was stopped/],
] as const)('whether a deployment serves: %o', (deployment, serves, problem) => {
  const found = deploymentReadiness(deployment);
  expect(found.serves).toBe(serves);
  expect(found.isOnItsWay).toBe(deployment.status === 'PENDING');
  if (problem === null) expect(found.problem).toBeNull();
  else expect(found.problem).toMatch(problem);
});
