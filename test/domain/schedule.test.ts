import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  borrows,
  EQUAL_SHARE,
  deservedShare,
  dominantShare,
  InUse,
  makeRoom,
  needsNothing,
  NO_AMOUNTS,
  passesLimit,
  type Replaceable,
  type RunningDemand,
  schedule,
  type Share,
  type Shares,
  usedByTenant,
  type WaitingDemand,
} from '../../src/modules/jobs/rules/schedule.js';

const GIB = 1024 ** 3;
const MACHINE = { slots: 8, cores: 8, memoryBytes: 16 * GIB, gpus: 2 };
const TENANTS = ['acme', 'globex', 'initech'];

const job = (of: Partial<WaitingDemand> = {}): WaitingDemand => ({
  ...{ tenant: 'acme', kind: 'TRAINING', maxAtOnce: 100, priority: 0, waitingSinceMs: 0 },
  ...{ cores: 1, memoryBytes: GIB, gpus: 0 },
  ...of,
});
const sharesOf = (of: Record<string, Partial<Share>>): Shares => ({
  cluster: MACHINE,
  of: new Map(Object.entries(of).map(([tenant, share]) => [tenant, { ...EQUAL_SHARE, ...share }])),
});
const here = (jobs: readonly WaitingDemand[]): RunningDemand[] => jobs.map((one) => ({ ...one, isHere: true }));
const cores = (amount: number) => ({ ...NO_AMOUNTS, cores: amount });

describe('of several tenants', () => {
  it('the one that used the least for its weight begins first, and of its jobs the one with the highest priority', () => {
    const waiting = [
      job({ priority: 100 }),
      job({ tenant: 'globex', priority: -5, waitingSinceMs: 9 }),
      job({ tenant: 'globex', waitingSinceMs: 9 }),
    ];
    const one = { ...MACHINE, slots: 1 };
    const lately = (acme: number, globex: number, weight = 1) =>
      schedule(one, [], waiting, sharesOf({ acme: { usage: acme }, globex: { usage: globex, weight } }), 10);
    expect(lately(0.5, 0.4)).toEqual([waiting[2]]);
    expect(lately(0.4, 0.5)).toEqual([waiting[0]]);
    expect(lately(0.4, 0.5, 2)).toEqual([waiting[2]]);
    expect(lately(0, 0)).toEqual([waiting[0]]);
  });

  it('all begin in turn when none has a past', () => {
    const many = Array.from({ length: 20 }, () => job());
    const few = Array.from({ length: 3 }, () => job({ tenant: 'globex', waitingSinceMs: 1 }));
    const begun = schedule(MACHINE, [], [...many, ...few], sharesOf({}), 10);
    expect(begun.map(({ tenant }) => tenant)).toEqual([
      ...['acme', 'globex', 'acme', 'globex', 'acme', 'globex', 'acme', 'acme'],
    ]);
  });

  it('one may use what is idle, up to its borrowing limit, and waits while others want what is theirs', () => {
    const many = Array.from({ length: 20 }, () => job());
    const shares = sharesOf({ acme: { quota: cores(2), borrowingLimit: cores(3) }, globex: { quota: cores(6) } });
    expect(schedule(MACHINE, [], many, shares, 0)).toHaveLength(5);
    const wide = job({ tenant: 'globex', cores: 6, waitingSinceMs: 1 });
    const begun = schedule(MACHINE, here([job(), job()]), [...many, wide], shares, 10);
    expect(begun).toEqual([wide]);
    const held = schedule(MACHINE, here([job(), job(), job()]), [...many, wide], shares, 10);
    expect(held).toEqual([]);
  });

  it('what runs in other processes counts for the shares, and not for the room of this one', () => {
    const elsewhere = Array.from({ length: 8 }, () => ({ ...job(), isHere: false }));
    const waiting = [job(), job({ tenant: 'globex', waitingSinceMs: 5 })];
    expect(schedule({ ...MACHINE, slots: 1 }, elsewhere, waiting, sharesOf({}), 10)).toEqual([waiting[1]]);
  });
});

const demand = fc.record({
  tenant: fc.constantFrom(...TENANTS),
  kind: fc.constantFrom('A', 'B', 'RELEASE'),
  maxAtOnce: fc.integer({ min: 1, max: 6 }),
  priority: fc.integer({ min: -100, max: 100 }),
  waitingSinceMs: fc.nat(1e6),
  cores: fc.constantFrom(0.25, 1, 2, 8, 20),
  memoryBytes: fc.constantFrom(GIB, 4 * GIB, 64 * GIB),
  gpus: fc.constantFrom(0, 0, 1, 2, 3),
});
const amounts = fc.record({
  cores: fc.option(fc.integer({ min: 0, max: 8 })),
  memoryBytes: fc.option(fc.constantFrom(0, 4 * GIB, 16 * GIB)),
  gpus: fc.option(fc.integer({ min: 0, max: 2 })),
});
const share = fc.record({
  weight: fc.constantFrom(0.1, 1, 5),
  quota: amounts,
  borrowingLimit: amounts,
  usage: fc.double({ min: 0, max: 1, noNaN: true }),
});
const allShares = fc
  .record({ acme: share, globex: fc.option(share), initech: fc.constant(null) })
  .map((of) => sharesOf(Object.fromEntries(Object.entries(of).flatMap(([t, s]) => (s ? [[t, s]] : [])))));
/** Jobs that run already, as the rule itself began them. */
const queue = fc.record({
  first: fc.array(demand, { maxLength: 12 }),
  waiting: fc.array(demand, { maxLength: 25 }),
  shares: allShares,
  nowMs: fc.nat(1e7),
});

describe('whatever waits', () => {
  it('never more begins than the machine has, of each kind no more than it allows', () => {
    fc.assert(
      fc.property(queue, ({ first, waiting, shares, nowMs }) => {
        const running = schedule(MACHINE, [], first, shares, nowMs);
        const begun = schedule(MACHINE, here(running), waiting, shares, nowMs);
        const all = [...running, ...begun];
        const sum = (of: (one: WaitingDemand) => number) => all.reduce((total, one) => total + of(one), 0);
        expect(all.length).toBeLessThanOrEqual(MACHINE.slots);
        expect(sum((one) => Math.min(8, one.cores))).toBeLessThanOrEqual(8);
        expect(sum((one) => Math.min(16 * GIB, one.memoryBytes))).toBeLessThanOrEqual(16 * GIB);
        expect(sum(({ gpus }) => gpus)).toBeLessThanOrEqual(2);
        for (const one of begun)
          expect(all.filter(({ kind }) => kind === one.kind).length).toBeLessThanOrEqual(
            Math.max(...begun.filter(({ kind }) => kind === one.kind).map(({ maxAtOnce }) => maxAtOnce)),
          );
        expect(new Set(begun).size).toBe(begun.length);
      }),
    );
  });

  it('no tenant passes its limit, nor its quota while another one waits for what is within its own', () => {
    fc.assert(
      fc.property(queue, ({ first, waiting, shares, nowMs }) => {
        const running = schedule(MACHINE, [], first, shares, nowMs);
        const begun = schedule(MACHINE, here(running), waiting, shares, nowMs);
        const used = usedByTenant(running);
        const of = (tenant: string) => shares.of.get(tenant) ?? EQUAL_SHARE;
        const now = (tenant: string) => used.get(tenant) ?? new InUse();
        let borrower: string | null = null;
        for (const one of begun) {
          expect(passesLimit(now(one.tenant), one, of(one.tenant))).toBe(false);
          if (borrows(now(one.tenant), one, of(one.tenant))) borrower = one.tenant;
          const amount = now(one.tenant);
          amount.add(one);
          used.set(one.tenant, amount);
        }
        if (borrower === null) return;
        const atWork = (kind: string) => [...running, ...begun].filter((one) => one.kind === kind).length;
        const waitsForItsOwn = waiting.filter(
          (one) =>
            one.tenant !== borrower &&
            !begun.includes(one) &&
            one.gpus <= MACHINE.gpus &&
            atWork(one.kind) < one.maxAtOnce &&
            !borrows(now(one.tenant), one, of(one.tenant)) &&
            !passesLimit(now(one.tenant), one, of(one.tenant)),
        );
        expect(waitsForItsOwn).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  it('an idle machine begins something that it can run within the limits', () => {
    fc.assert(
      fc.property(queue, ({ waiting, shares, nowMs }) => {
        const possible = waiting.filter(
          (one) => one.gpus <= MACHINE.gpus && !passesLimit(new InUse(), one, shares.of.get(one.tenant) ?? EQUAL_SHARE),
        );
        expect(schedule(MACHINE, [], waiting, shares, nowMs).length > 0).toBe(possible.length > 0);
      }),
      { numRuns: 500 },
    );
  });

  /** A kind has one limit, whoever sends its jobs. */
  const AT_ONCE: Record<string, number> = { A: 1, B: 3, RELEASE: 6 };

  it('no job waits for ever, whatever comes meanwhile, when tenants have no quota', () => {
    fc.assert(
      fc.property(fc.array(demand, { minLength: 1, maxLength: 6 }), fc.constantFrom(...TENANTS), (first, busy) => {
        const patient: WaitingDemand[] = first
          .filter(({ gpus }) => gpus <= MACHINE.gpus)
          .map((one): WaitingDemand => ({ ...one, maxAtOnce: AT_ONCE[one.kind]!, waitingSinceMs: 0, priority: 0 }));
        let waiting: WaitingDemand[] = [...patient];
        let running: { one: WaitingDemand; untilMs: number }[] = [];
        const usage = new Map<string, number>();
        for (let nowMs = 0; waiting.some((one) => patient.includes(one)) && nowMs < 4 * 3_600_000; nowMs += 30_000) {
          running = running.filter(({ untilMs }) => untilMs > nowMs);
          // One tenant sends more than fits, all the time.
          const more = job({ tenant: busy, kind: 'B', maxAtOnce: AT_ONCE['B']!, waitingSinceMs: nowMs, cores: 2 });
          for (let i = 0; i < 6; i++) waiting.push({ ...more });
          const shares = sharesOf(Object.fromEntries([...usage].map(([tenant, of]) => [tenant, { usage: of }])));
          const begun = schedule(MACHINE, here(running.map(({ one }) => one)), waiting, shares, nowMs);
          waiting = waiting.filter((one) => !begun.includes(one));
          running.push(...begun.map((one) => ({ one, untilMs: nowMs + 120_000 })));
          const used = usedByTenant(running.map(({ one }) => one));
          for (const tenant of TENANTS)
            usage.set(tenant, (usage.get(tenant) ?? 0) * 0.98 + 0.02 * Math.min(1, (used.get(tenant)?.cores ?? 0) / 8));
        }
        expect(waiting.filter((one) => patient.includes(one) && !needsNothing(one))).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });
});

describe('jobs make room', () => {
  const MINUTE_MS = 60_000;
  const NOW_MS = 100 * MINUTE_MS;
  const running = (of: Partial<Replaceable> = {}): Replaceable => ({
    ...{ ...job(), isHere: true, begunMs: 0, keepsProgress: true, isStopping: false },
    ...of,
  });
  const full = Array.from({ length: 8 }, (_, i) => running({ begunMs: i * MINUTE_MS, priority: i === 7 ? 1 : 0 }));
  const wide = job({ tenant: 'globex', cores: 2 });
  const roomIn = (
    jobs: readonly Replaceable[],
    waiting: WaitingDemand[],
    shares = sharesOf({}),
    minRunMs = MINUTE_MS,
  ) => makeRoom(MACHINE, jobs, waiting, shares, NOW_MS, minRunMs)?.replaced ?? [];

  it('for a tenant that has less than it deserves: those of the lowest priority, then the newest, as few as needed', () => {
    expect(roomIn(full, [wide])).toEqual([full[6], full[5]]);
    expect(roomIn(full, [job({ tenant: 'globex', cores: 0.5, waitingSinceMs: NOW_MS - 10_000 })])).toEqual([]);
    expect(roomIn(full, [job()])).toEqual([]);
    expect(roomIn(full, [job({ tenant: 'globex', cores: 5 })])).toEqual([]);
    expect(roomIn(full.slice(2), [wide])).toEqual([]);
  });

  it('when they have run for long enough, can continue later, and none is stopping already', () => {
    expect(roomIn(full, [wide], sharesOf({}), NOW_MS - 3 * MINUTE_MS)).toEqual([full[3], full[2]]);
    expect(roomIn(full, [wide], sharesOf({}), NOW_MS + 1)).toEqual([]);
    expect(
      roomIn(
        full.map((one) => ({ ...one, keepsProgress: false })),
        [wide],
      ),
    ).toEqual([]);
    expect(roomIn([running({ isStopping: true }), ...full.slice(1)], [wide])).toEqual([]);
  });

  it('for one job, which begins in that room before all others, and nothing else begins in a part of it', () => {
    const shares = sharesOf({ acme: { usage: 0.01 }, globex: { usage: 0.3 } });
    const { by, replaced } = makeRoom(MACHINE, full, [wide], shares, NOW_MS, MINUTE_MS)!;
    expect(by).toBe(wide);
    const expected = { ...wide, room: 'HERE' as const, waitingSinceMs: NOW_MS - 90_000 };
    const again = [job(), job({ cores: 0.5 })];
    const without = (gone: readonly Replaceable[]) => full.filter((one) => !gone.includes(one));
    const begins = (rest: readonly Replaceable[], first: WaitingDemand) =>
      schedule(MACHINE, rest, [...again, first], shares, NOW_MS);
    expect(begins(without(replaced.slice(1)), expected)).toEqual([]);
    expect(begins(without(replaced), expected)).toEqual([expected]);
    // Without the room, the tenant that has used less takes back what its jobs gave.
    expect(begins(without(replaced.slice(1)), { ...expected, room: 'ELSEWHERE' })).toEqual([again[0]]);
    expect(begins(without(replaced), { ...expected, room: 'ELSEWHERE' })).not.toContain(expected);
    // What is free beside it is for all.
    expect(begins(without(full.slice(4)), expected)).toEqual([expected, ...again]);
  });

  it('in one process for a job, not in two', () => {
    expect(roomIn(full, [{ ...wide, room: 'ELSEWHERE' }])).toEqual([]);
    expect(roomIn(full, [{ ...wide, room: 'HERE' }])).toEqual([full[6], full[5]]);
  });

  const small = (tenants: string[]) =>
    fc.record({
      ...{ tenant: fc.constantFrom(...tenants), cores: fc.constantFrom(1, 2, 3), kind: fc.constant('A') },
      ...{ maxAtOnce: fc.constant(100), memoryBytes: fc.constant(GIB), gpus: fc.constantFrom(0, 0, 1) },
      ...{ priority: fc.integer({ min: -2, max: 2 }), waitingSinceMs: fc.constantFrom(0, NOW_MS - 1) },
    });
  const weights = fc
    .tuple(fc.constantFrom(0.5, 1), fc.constantFrom(1, 2))
    .map(([acme, initech]) => sharesOf({ acme: { weight: acme }, initech: { weight: initech } }));
  const atWork = fc.record({
    one: small(['acme', 'acme', 'globex']),
    begunMs: fc.nat(NOW_MS),
    keepsProgress: fc.constantFrom(true, true, true, false),
  });

  it('never before the shortest time, never so many that a tenant has less than it deserves, and then the job fits', () => {
    let replaced = 0;
    fc.assert(
      fc.property(
        fc.array(atWork, { minLength: 4, maxLength: 12 }),
        fc.array(small(TENANTS), { maxLength: 4 }),
        weights,
        (jobs, waiting, shares) => {
          const begun = new Set(
            schedule(
              MACHINE,
              [],
              jobs.map(({ one }) => one),
              shares,
              NOW_MS,
            ),
          );
          const now = jobs.filter(({ one }) => begun.has(one)).map(({ one, ...more }) => running({ ...one, ...more }));
          const chosen = roomIn(now, waiting, shares, 20 * MINUTE_MS);
          if (chosen.length === 0) return;
          replaced++;
          const active = new Set([...now, ...waiting].map(({ tenant }) => tenant));
          const rest = now.filter((one) => !chosen.includes(one));
          for (const one of chosen) {
            expect(NOW_MS - one.begunMs).toBeGreaterThanOrEqual(20 * MINUTE_MS);
            expect(one.keepsProgress).toBe(true);
            const left = dominantShare(usedByTenant(rest).get(one.tenant) ?? new InUse(), MACHINE);
            expect(left).toBeGreaterThanOrEqual(deservedShare(one.tenant, active, shares) - 1e-6);
          }
          const isFor = waiting.filter(
            (one) => NOW_MS - one.waitingSinceMs >= 30_000 && chosen.every((other) => other.tenant !== one.tenant),
          );
          const fits = (one: WaitingDemand) => schedule(MACHINE, rest, [one], sharesOf({}), NOW_MS).length > 0;
          expect(isFor.some(fits)).toBe(true);
        },
      ),
      { numRuns: 2_000 },
    );
    console.log(`${replaced} of 2,000 queues made room`);
    expect(replaced).toBeGreaterThan(50);
  });
});

describe('jobs of a cluster outside', () => {
  const outside = (of: Partial<WaitingDemand> = {}) =>
    job({ kind: 'TRAINING.outside', memoryBytes: 0, isOutside: true, ...of });
  const elsewhere = (jobs: readonly WaitingDemand[]): RunningDemand[] => jobs.map((one) => ({ ...one, isHere: false }));
  const sharing = (outsideCores: number | null, of: Record<string, Partial<Share>> = {}): Shares => ({
    ...sharesOf(of),
    outsideCores,
  });
  const NOW_MS = 1e6;
  const begun = (running: readonly RunningDemand[], waiting: readonly WaitingDemand[], shares: Shares) =>
    schedule(MACHINE, running, waiting, shares, NOW_MS);

  it('take no room of a machine, and need none', () => {
    const waiting = [job(), outside(), outside({ cores: 64 })];
    expect(begun(here([job({ cores: 8 })]), waiting, sharing(null))).toEqual(waiting.slice(1));
    expect(begun(here([outside({ cores: 64 })]), [job()], sharing(null))).toHaveLength(1);
  });

  it('divide its cores among tenants in turn; the others wait here', () => {
    const recently = { waitingSinceMs: NOW_MS };
    const many = Array.from({ length: 6 }, () => outside(recently));
    const few = Array.from({ length: 2 }, () => outside({ ...recently, tenant: 'globex' }));
    const first = begun([], [...many, ...few], sharing(4));
    expect(first.map(({ tenant }) => tenant)).toEqual(['acme', 'globex', 'acme', 'globex']);
    expect(begun(elsewhere(first), many, sharing(4))).toEqual([]);
    expect(begun(elsewhere(first.slice(1)), many, sharing(4))).toHaveLength(1);
  });

  it('of several workers begin with all of them; what needs more than the cluster has gets all of it', () => {
    const wide = outside({ cores: 9, waitingSinceMs: NOW_MS });
    expect(begun([], [wide], sharing(4))).toEqual([wide]);
    expect(begun(elsewhere([outside()]), [wide], sharing(4))).toEqual([]);
  });

  it('count for the quota of their tenant, which holds wherever its jobs run', () => {
    const shares = sharing(null, { acme: { quota: cores(2), borrowingLimit: cores(0) } });
    const two = elsewhere([outside({ cores: 2 })]);
    expect(begun(two, [outside(), job(), outside({ tenant: 'globex' })], shares)).toMatchObject([{ tenant: 'globex' }]);
    expect(usedByTenant(two).get('acme')).toMatchObject({ cores: 2 });
  });

  it('with many workers are not overtaken for ever, and hold up no job of a machine', () => {
    const wide = outside({ cores: 4, waitingSinceMs: NOW_MS - 40_000 });
    const small = outside({ waitingSinceMs: NOW_MS });
    const local = job({ waitingSinceMs: NOW_MS });
    expect(begun(elsewhere([outside()]), [wide, small, local], sharing(4))).toEqual([local]);
    expect(begun(elsewhere([outside()]), [{ ...wide, waitingSinceMs: NOW_MS }, small], sharing(4))).toEqual([small]);
  });
});
