import { glob, readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { tableOwners, tablesIn } from '../support/sent-statements.js';
import { ANY, FOREIGN_READS, FOREIGN_WRITES } from '../support/table-exceptions.js';
import { columnsSet, foreignStateChanges, ORM, STATE_COLUMNS } from '../support/state-columns.js';
import { foreignUses } from '../support/table-ownership.js';

it('finds the tables that a statement writes and reads, in all its parts', async () => {
  const of = async (text: string) => {
    const { written, read } = await tablesIn(text);
    return { written: [...written].sort(), read: [...read].sort() };
  };
  expect(
    await of(`with gone as (delete from run_tag t using run r where r.id = t.run_id returning t.run_id),
      moved as (insert into run_param (tenant) select tenant from model on conflict do nothing returning 1)
      update job j set message = '' from gone join dataset d on true where exists (select from alert)`),
  ).toEqual({ written: ['job', 'run_param', 'run_tag'], read: ['alert', 'dataset', 'model', 'run'] });
  expect(await of(`merge into endpoint using deployment on true when matched then update set name = ''`)).toEqual({
    written: ['endpoint'],
    read: ['deployment'],
  });
  expect(await of(`begin; select set_config('a', 'b', true); prepare p as insert into event (id) values ($1)`)).toEqual(
    {
      written: ['event'],
      read: [],
    },
  );
});

it('finds the owner of the tables that a module has written or read', async () => {
  const owners = await tableOwners();
  expect(owners.size).toBeGreaterThan(50);
  const sent = [
    { module: 'experiments', text: 'update run set name = $1' },
    { module: 'alerts', text: 'update run set name = $1' },
    { module: 'alerts', text: 'select id from model' },
  ];
  expect(await foreignUses(sent, owners)).toEqual([
    'alerts reads model of registry: select id from model',
    'alerts writes run of experiments: update run set name = $1',
  ]);
});

it('has no exception that the code no longer needs', async () => {
  const entities = new Map<string, string>();
  for await (const file of glob('src/db/entities/*/*.entity.ts')) {
    const text = await readFile(file, 'utf8');
    for (const [, entity = '', table = ''] of text.matchAll(/name: '(\w+)',\s*tableName: '(\w+)'/g))
      entities.set(table, entity);
  }
  const unused: string[] = [];
  for (const { module, tables } of [...FOREIGN_READS, ...FOREIGN_WRITES]) {
    if (tables === ANY) continue;
    let code = '';
    // What other modules contribute to a module is in a file with its name.
    for await (const file of glob([`src/modules/${module}/**/*.ts`, `src/modules/*/${module}.ts`]))
      code += await readFile(file, 'utf8');
    for (const table of tables) {
      if (!new RegExp(`\\b(?:${table}|${entities.get(table)})\\b`).test(code)) unused.push(`${module}: ${table}`);
    }
  }
  expect(unused).toEqual([]);
});

it('finds the columns of existing rows that a statement sets', async () => {
  const text = `with a as (update run r set status = $1 where r.status = $2 returning id),
    b as (insert into job (id, status) values ($3, $4) on conflict (id) do update set status = excluded.status)
    merge into alert using deployment on true when matched then update set status = '' when not matched then insert
      (status) values ('')`;
  expect(await columnsSet(text)).toEqual([
    { table: 'alert', column: 'status', isCompared: false },
    { table: 'run', column: 'status', isCompared: true },
    { table: 'job', column: 'status', isCompared: false },
  ]);
});

it('reports who changes a state without its only transition function', async () => {
  const functions = { 'run.status': ['experiments/stores/runs.ts#changeRunStatus'] };
  const set = 'update run set status = $1 where id = $2';
  const sent = [
    { module: 'experiments', by: 'experiments/stores/runs.ts#changeRunStatus', text: `${set} and status = any($3)` },
    { module: 'experiments', by: 'experiments/stores/runs.ts#changeRunStatus', text: set },
    { module: 'training', by: 'training/training-attempt.ts#begin', text: set },
    { module: '', by: ORM, text: set },
    { module: 'experiments', by: 'experiments/run.service.ts#create', text: 'insert into run (status) values ($1)' },
  ];
  expect(await foreignStateChanges(sent, functions)).toEqual([
    `experiments/stores/runs.ts#changeRunStatus sets run.status without a condition on its present value: ${set}`,
    `the ORM sets run.status, which experiments/stores/runs.ts#changeRunStatus sets: ${set}`,
    `training/training-attempt.ts#begin sets run.status, which experiments/stores/runs.ts#changeRunStatus sets: ${set}`,
  ]);
});

it('knows the functions that change states, in the modules that own the tables', async () => {
  const owners = await tableOwners();
  for (const [name, functions] of Object.entries(STATE_COLUMNS)) {
    const owner = owners.get(name.split('.')[0]!);
    for (const one of functions.filter((by) => by !== ORM)) {
      const [file = '', called = ''] = one.split('#');
      expect(file.split('/')[0], name).toBe(owner);
      expect(await readFile(`src/modules/${file}`, 'utf8'), one).toContain(`async function ${called}(`);
    }
  }
});
