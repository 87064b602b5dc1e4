import { Migration } from '@mikro-orm/migrations';

const RUNTIMES = `'ONNX', 'TRITON', 'RAY_SERVE', 'VLLM', 'V2'`;
const CHECK = 'add constraint deployment_runtime_check check';

/** An ensemble may be deployed as its members, each asked on a runtime of its own. */
export class Migration0049FanOut extends Migration {
  override async up(): Promise<void> {
    this.addSql('alter table deployment drop constraint deployment_runtime_check');
    this.addSql(`alter table deployment ${CHECK} (runtime in (${RUNTIMES}, 'FAN_OUT'))`);
    this.addSql('alter table deployment add column fan_out jsonb');
    this.addSql('alter table ensemble add column combination json');
  }

  override async down(): Promise<void> {
    this.addSql('alter table ensemble drop column combination');
    this.addSql(`delete from deployment where runtime = 'FAN_OUT'`);
    this.addSql('alter table deployment drop column fan_out');
    this.addSql('alter table deployment drop constraint deployment_runtime_check');
    this.addSql(`alter table deployment ${CHECK} (runtime in (${RUNTIMES}))`);
  }
}
