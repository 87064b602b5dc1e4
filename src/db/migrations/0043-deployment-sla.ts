import { Migration } from '@mikro-orm/migrations';

/** A deployment may promise a latency and an error rate of its own; an endpoint need not. */
export class Migration0043DeploymentSla extends Migration {
  override async up(): Promise<void> {
    this.addSql('alter table deployment add column sla jsonb');
    this.addSql('alter table endpoint alter column sla_latency_p95_ms drop not null');
  }

  override async down(): Promise<void> {
    this.addSql('alter table deployment drop column sla');
    this.addSql('update endpoint set sla_latency_p95_ms = 100 where sla_latency_p95_ms is null');
    this.addSql('alter table endpoint alter column sla_latency_p95_ms set not null');
  }
}
