/**
 * Statements that create tables in which every row has its tenant, with forced row-level security in addition to the
 * checks of the services.
 */
export function createTables(tables: Record<string, string>, bulkTables: Record<string, string>): string[] {
  return [
    ...Object.entries(tables).flatMap(([table, columns]) => [
      `create table ${table} (
        id uuid primary key,
        tenant text not null check (tenant <> ''),
        created_at timestamptz not null default date_trunc('milliseconds', clock_timestamp()),
        ${columns.trim()},
        unique (tenant, id))`,
      `create index ${table}_by_created on ${table} (tenant, created_at desc, id desc)`,
    ]),
    ...Object.entries(bulkTables).map(([table, columns]) => `create table ${table} (${columns})`),
    ...[...Object.keys(tables), ...Object.keys(bulkTables)].flatMap((table) => [
      `alter table ${table} enable row level security`,
      `alter table ${table} force row level security`,
      `create policy tenant on ${table} to matih_app using (tenant = current_setting('matih.tenant', true))`,
      `create policy system on ${table} to matih_system using (true)`,
      `grant ${table === 'audit_log' ? 'select, insert' : 'select, insert, update, delete'} on ${table} to ` +
        'matih_app, matih_system',
    ]),
  ];
}

export function dropTables(tables: Record<string, string>, bulkTables: Record<string, string>): string[] {
  return [...Object.keys(bulkTables), ...Object.keys(tables)].reverse().map((table) => `drop table ${table} cascade`);
}
