import { describe, expect, it } from 'vitest';
import { type Followed, followProblem } from '../../src/modules/serving/rules/following.js';

const served: Followed['version'] = { version: 3, status: 'READY', hasOnnx: true, deploymentStatus: 'READY' };

describe('what prevents an endpoint from serving what it follows', () => {
  it('is null when it follows nothing, and when that serves', () => {
    expect(followProblem({ stage: null, alias: null, version: null })).toBeNull();
    expect(followProblem({ stage: 'PRODUCTION', alias: null, version: served })).toBeNull();
    expect(followProblem({ stage: null, alias: 'champion', version: served })).toBeNull();
  });

  const cases: [string, Partial<NonNullable<Followed['version']>> | null, RegExp, RegExp][] = [
    ['no version', null, /No version is in PRODUCTION: nothing serves/, /no alias "champion".*goes on/],
    ['failed files', { status: 'FAILED' }, /FAILED: promote/, /FAILED: set the alias/],
    ['files on their way', { status: 'PENDING' }, /are being stored/, /are being stored/],
    ['no model.onnx', { hasOnnx: false }, /convertModelVersion/, /convertModelVersion/],
    [
      'a failed deployment',
      { deploymentStatus: 'FAILED' },
      /could not be loaded.*promote it again/,
      /could not be loaded.*set the alias again/,
    ],
    ['a deployment under way', { deploymentStatus: 'PENDING' }, /is being loaded/, /is being loaded/],
    ['no deployment yet', { deploymentStatus: null }, /is being loaded/, /is being loaded/],
  ];
  for (const [what, change, ofStage, ofAlias] of cases) {
    it(`is named with what to do: ${what}`, () => {
      const version = change && { ...served, ...change };
      expect(followProblem({ stage: 'PRODUCTION', alias: null, version })).toMatch(ofStage);
      expect(followProblem({ stage: null, alias: 'champion', version })).toMatch(ofAlias);
    });
  }
});
