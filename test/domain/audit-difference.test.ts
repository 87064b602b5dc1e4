import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { auditDifference } from '../../src/modules/platform/rules/audit-difference.js';

describe('the difference that an audit row holds', () => {
  it('has the keys and entries that differ, and nothing else', () => {
    const before = { name: 'a', task: 'OTHER', tags: { kept: 'x', changed: 'old', gone: 'y' }, at: new Date(5) };
    const after = { name: 'b', task: 'OTHER', tags: { kept: 'x', changed: 'new', fresh: 'z' }, at: new Date(5) };
    expect(auditDifference(before, after)).toEqual({
      before: { name: 'a', tags: { changed: 'old', gone: 'y' } },
      after: { name: 'b', tags: { changed: 'new', fresh: 'z' } },
    });
  });

  it('has everything of a new or deleted object', () => {
    expect(auditDifference(null, { name: 'a', tags: { k: 'v' } })).toEqual({
      before: null,
      after: { name: 'a', tags: { k: 'v' } },
    });
    expect(auditDifference({ name: 'a' }, null)).toEqual({ before: { name: 'a' }, after: null });
  });

  it('has long texts as beginning, size and SHA-256', () => {
    const { after } = auditDifference(null, { description: 'ä'.repeat(50_000), tags: { note: 'x'.repeat(3_000) } });
    expect(after).toEqual({
      description: { begins: 'ä'.repeat(100), sizeBytes: 100_000, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
      tags: { note: { begins: 'x'.repeat(100), sizeBytes: 3_000, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) } },
    });
  });

  it('is small whatever is the same, and empty when nothing changed', () => {
    const record = fc.dictionary(fc.string(), fc.string());
    fc.assert(
      fc.property(record, fc.string(), fc.string(), (tags, key, value) => {
        const now = Object.fromEntries([...Object.entries(tags), [key, value]]);
        const { before, after } = auditDifference({ tags }, { tags: now });
        const isSame = Object.hasOwn(tags, key) && tags[key] === value;
        expect(Object.keys((after!['tags'] ?? {}) as object)).toEqual(isSame ? [] : [key]);
        expect(Object.keys((before!['tags'] ?? {}) as object)).toEqual(
          !isSame && Object.hasOwn(tags, key) ? [key] : [],
        );
      }),
    );
  });
});
