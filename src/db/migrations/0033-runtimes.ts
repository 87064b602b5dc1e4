import { Migration } from '@mikro-orm/migrations';

const ONE_PER_VERSION = 'create unique index deployment_one_per_version on deployment';
const WHERE_ACTIVE = `where status in ('PENDING', 'READY')`;

/** The engine of a deployment is one of several runtimes; a version may run once on each. */
export class Migration0033Runtimes extends Migration {
  override async up(): Promise<void> {
    this.addSql('alter table deployment rename column engine to runtime');
    this.addSql(`update deployment set runtime = 'ONNX'`);
    this.addSql(`alter table deployment alter column runtime set default 'ONNX'`);
    this.addSql(
      'alter table deployment add constraint deployment_runtime_check check ' +
        `(runtime in ('ONNX', 'TRITON', 'RAY_SERVE', 'VLLM', 'V2'))`,
    );
    this.addSql('drop index deployment_one_per_version');
    this.addSql(`${ONE_PER_VERSION} (tenant, endpoint_id, model_version_id, runtime) ${WHERE_ACTIVE}`);
  }

  override async down(): Promise<void> {
    this.addSql('drop index deployment_one_per_version');
    this.addSql(`${ONE_PER_VERSION} (tenant, endpoint_id, model_version_id) ${WHERE_ACTIVE}`);
    this.addSql('alter table deployment drop constraint deployment_runtime_check');
    this.addSql('alter table deployment alter column runtime drop default');
    this.addSql(`update deployment set runtime = 'onnx'`);
    this.addSql('alter table deployment rename column runtime to engine');
  }
}
