// A Python with Ray Data and Spark, and a Java for Spark. The tests start the clusters themselves, because they also
// kill them.
import { readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findOrInstall } from './debian.mjs';
import { installRequirements, pythonEnvironment, UV } from './python-environment.mjs';

const REQUIREMENTS = fileURLToPath(new URL('../test/engines/batch/requirements.txt', import.meta.url));

export function startBatchPython() {
  const java = realpathSync(findOrInstall(['java'], 'default-jre-headless'));
  const python = pythonEnvironment('batch', {
    parts: [UV, readFileSync(REQUIREMENTS)],
    news: 'Installing Ray Data and Spark for Python (once; some minutes, 1.5 GB)',
    install: (folder) => installRequirements(folder, ['--compile-bytecode', '--requirement', REQUIREMENTS]),
  });
  const env = {
    MATIH_RAY_PYTHON: python,
    MATIH_SPARK_SUBMIT: join(dirname(python), 'spark-submit'),
    JAVA_HOME: join(dirname(java), '..'),
  };
  return { env, stop: () => undefined };
}
