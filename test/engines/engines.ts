/** The URL of an engine that scripts/test-engines.mjs has started. */
export function engine(
  name:
    | 'REDIS_URL'
    | 'MATIH_REDIS_SERVER'
    | 'S3_ENDPOINT'
    | 'S3_ACCESS_KEY'
    | 'S3_SECRET_KEY'
    | 'MATIH_S3_SERVER'
    | 'MATIH_POSTGRES_ADMIN_URL'
    | 'MATIH_PYTHON'
    | 'MATIH_RAY_PYTHON'
    | 'MATIH_SPARK_SUBMIT'
    | 'MATIH_TRITON_PYTHON'
    | 'MATIH_TRITONCLIENT_PYTHON'
    | 'MATIH_VLLM_MODELS'
    | 'MATIH_VLLM_PYTHON'
    | 'MATIH_KUBERAY_DECODER'
    | 'MATIH_CHROMIUM',
): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run npm run test:engines.`);
  return value;
}
