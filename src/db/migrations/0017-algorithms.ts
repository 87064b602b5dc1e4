import { Migration } from '@mikro-orm/migrations';

const COMMON = ['epochs', 'maxCategories'];
const STEPS = ['optimizer', 'learningRate', 'batchSize', 'l2'];
const TREES = [...COMMON, 'learningRate', 'l2', 'maxLeaves', 'maxDepth', 'minLeafRows', 'rowShare', 'featureShare'];

/** The hyperparameters that each algorithm has; before, every configuration could have those of all. */
const HAS: Record<string, string[]> = {
  LOGISTIC_REGRESSION: [...COMMON, ...STEPS],
  LINEAR_REGRESSION: [...COMMON, ...STEPS],
  MLP_CLASSIFIER: [...COMMON, ...STEPS, 'hiddenLayers'],
  MLP_REGRESSOR: [...COMMON, ...STEPS, 'hiddenLayers'],
  BOOSTED_TREES_CLASSIFIER: TREES,
  BOOSTED_TREES_REGRESSOR: [...TREES, 'quantile'],
  KMEANS: [...COMMON, 'clusters'],
};

/** Where configurations are: table, SQL of the configuration, SQL of the column with another configuration. */
const PLACES: [table: string, config: string, column: string, changed: (config: string) => string][] = [
  ['trained_model', 'config', 'config', (config) => config],
  ['job', `config -> 'training'`, 'config', (config) => `jsonb_set(config, '{training}', ${config})`],
  ['job', `result -> 'config'`, 'result', (config) => `jsonb_set(result, '{config}', ${config})`],
];

const OF_TRAINING = `run_id in (select run_id from job where kind = 'TRAINING')`;
const texts = (values: string[]): string => values.map((value) => `'${value}'`).join(', ');

/** `modelType` becomes `algorithm`, and a configuration keeps only the hyperparameters of its algorithm. */
export class Migration0017Algorithms extends Migration {
  override async up(): Promise<void> {
    for (const [name, parameters] of Object.entries(HAS))
      for (const [table, config, column, changed] of PLACES) {
        // A solver has no steps: what was given for them was ignored.
        const isUsed = name.endsWith('REGRESSION')
          ? `(key not in ('learningRate', 'batchSize') or ${config} #>> '{hyperparameters,optimizer}' = 'ADAM')`
          : 'true';
        const kept = `(select jsonb_object_agg(key, value) from jsonb_each(${config} -> 'hyperparameters')
          where key in (${texts(parameters)}) and ${isUsed})`;
        this.addSql(`update ${table} set ${column} = ${changed(`(${config}) - 'modelType' || jsonb_build_object(
          'algorithm', '${name}', 'hyperparameters', coalesce(${kept}, '{}'))`)}
          where (${config}) ->> 'modelType' = '${name}'${table === 'job' ? ` and kind = 'TRAINING'` : ''}`);
      }
    this.rename('modelType', 'algorithm');
    // A checkpoint names the configuration that it belongs to, in the old form: its training begins anew.
    this.addSql(`with old as (delete from checkpoint where job_id in
        (select id from job where kind = 'TRAINING' and status <> 'SUCCEEDED' and config ? 'training')
        returning tenant, object_key)
      insert into staged_object (tenant, object_key) select tenant, object_key from old on conflict do nothing`);
  }

  override async down(): Promise<void> {
    for (const [table, config, column, changed] of PLACES)
      this.addSql(
        `update ${table} set ${column} = ${changed(
          `(${config}) - 'algorithm' || jsonb_build_object('modelType', ${config} -> 'algorithm')`,
        )} where (${config}) ? 'algorithm'${table === 'job' ? ` and kind = 'TRAINING'` : ''}`,
      );
    this.rename('algorithm', 'modelType');
  }

  /** Renames the parameter of the runs of trainings. */
  private rename(from: string, to: string): void {
    this.addSql(`update run_param p set key = '${to}' where key = '${from}' and ${OF_TRAINING}
      and not exists (select from run_param o where o.run_id = p.run_id and o.key = '${to}')`);
  }
}
