import { Migration } from '@mikro-orm/migrations';
import { createTables, dropTables } from './tables.js';

const ONE_PER_VERSION = 'create unique index deployment_one_per_version on deployment';
const WHERE_ACTIVE = `where status in ('PENDING', 'READY')`;

const TABLES = {
  canary: `
    updated_at timestamptz not null,
    endpoint_id uuid not null,
    model_version_id uuid not null,
    stable_version_id uuid not null,
    stable_deployment_id uuid not null,
    canary_deployment_id uuid not null,
    control_deployment_id uuid not null,
    steps jsonb not null,
    guards jsonb not null,
    alpha double precision not null,
    min_requests bigint not null,
    failure_limit int not null,
    source_error_limit int not null,
    approval_webhook_id uuid,
    skips_steps boolean not null,
    status text not null check (status in ('LOADING', 'RUNNING', 'PAUSED', 'WAITING_FOR_APPROVAL', 'PROMOTED',
      'ROLLED_BACK', 'ABORTED', 'LOAD_FAILED')),
    reason text not null,
    step int not null default 0,
    step_started_at timestamptz,
    failures int not null default 0,
    source_errors int not null default 0,
    judgement jsonb not null,
    look_at timestamptz not null,
    asked_at timestamptz,
    ended_at timestamptz,
    created_by text not null,
    check ((ended_at is not null) = (status in ('PROMOTED', 'ROLLED_BACK', 'ABORTED', 'LOAD_FAILED'))),
    foreign key (tenant, endpoint_id) references endpoint (tenant, id) on delete cascade,
    foreign key (tenant, model_version_id) references model_version (tenant, id) on delete cascade,
    foreign key (tenant, stable_version_id) references model_version (tenant, id) on delete cascade`,
};

/**
 * Canaries: steps that move the traffic of an endpoint to a new version while its metrics are compared with those of a
 * control, a second deployment of the old version.
 */
export class Migration0034Canaries extends Migration {
  override async up(): Promise<void> {
    for (const statement of createTables(TABLES, {})) this.addSql(statement);
    this.addSql('create unique index canary_one_active on canary (tenant, endpoint_id) where ended_at is null');
    this.addSql('create index canary_by_look on canary (look_at) where ended_at is null');
    this.addSql('create index canary_by_version on canary (tenant, model_version_id)');
    this.addSql('create index canary_by_stable on canary (tenant, stable_version_id)');
    this.addSql(`alter table deployment
      add column is_control boolean not null default false,
      add column for_viewers boolean not null default false`);
    this.addSql('drop index deployment_one_per_version');
    this.addSql(`${ONE_PER_VERSION} (tenant, endpoint_id, model_version_id, runtime, is_control) ${WHERE_ACTIVE}`);
  }

  override async down(): Promise<void> {
    this.addSql('drop index deployment_one_per_version');
    this.addSql(`update deployment set status = 'STOPPED' where is_control and status in ('PENDING', 'READY')`);
    this.addSql(`${ONE_PER_VERSION} (tenant, endpoint_id, model_version_id, runtime) ${WHERE_ACTIVE}`);
    this.addSql('alter table deployment drop column is_control, drop column for_viewers');
    for (const statement of dropTables(TABLES, {})) this.addSql(statement);
  }
}
