import { z } from 'zod';
import { setting, url, whole, type Settings, type SettingValues } from '../../settings.js';

export const SERVING_SETTINGS = {
  INFERENCE_HOSTS: setting(whole(1, 64).default(2), 'Number of processes that run models for online predictions.'),
  INFERENCE_MEMORY_BYTES: setting(
    whole(1).default(2 * 1024 ** 3),
    'Maximum resident memory of each of these processes, in bytes.',
  ),
  PREDICT_DEADLINE_MS: setting(
    whole(1, 600_000).default(5_000),
    'Maximum duration of one prediction, in milliseconds.',
  ),
  MAX_INFERENCE_BYTES: setting(
    whole(1024, 2 ** 31 - 1).default(64 * 1024 ** 2),
    'Maximum size of one request or answer of the Open Inference Protocol, also unpacked, and of any gRPC message, in ' +
      'bytes.',
  ),
  SPARK_SUBMIT: setting(
    z.string().min(1).optional(),
    'Path of the program `spark-submit` of your Spark, for batch inferences with the backend SPARK; absent: there is no ' +
      'such backend.',
  ),
  SPARK_MASTER: setting(
    z.string().min(1).optional(),
    'Where Spark runs its programs, as `--master` of spark-submit, e.g. `spark://host:7077` or `local[4]`; absent: as ' +
      'the configuration of Spark says.',
  ),
  TRITON_URL: setting(
    url('http:', 'https:').optional(),
    'Address of the HTTP port of your Triton Inference Server, for deployments on the runtime TRITON; absent: there is ' +
      'no such runtime. Start it with `--model-control-mode=explicit`.',
  ),
  TRITON_REPOSITORY: setting(
    z
      .string()
      .min(1)
      .refine(
        (place) => !place.startsWith('s3:') || /^s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](\/[\w.-]+)*\/?$/.test(place),
        'expected a folder, or s3://bucket/folder for a bucket of S3_ENDPOINT',
      )
      .optional(),
    'Model repository of TRITON_URL: a folder as this service sees it, or `s3://bucket/folder` in the store of ' +
      'S3_ENDPOINT; absent: the files of a model travel with the request to load it, up to 256 MiB.',
  ),
  RAY_SERVE_URL: setting(
    url('http:', 'https:').optional(),
    'Address of the HTTP proxy of Ray Serve on the cluster of RAY_ADDRESS, for deployments on the runtime RAY_SERVE; ' +
      'absent: there is no such runtime. If Serve does not run yet, its proxy is started on the port of this address.',
  ),
  RAY_SERVE_CORES: setting(
    z.coerce.number().min(0).max(256).default(1),
    'Cores of the Ray cluster that a replica of a deployment on RAY_SERVE reserves for each of its threads; a fraction ' +
      'when many models that are rarely asked share a core.',
  ),
  V2_URL: setting(
    url('http:', 'https:').optional(),
    'Address of another server of the Open Inference Protocol, for deployments on the runtime V2 of models that it has ' +
      'already; absent: there is no such runtime.',
  ),
  TRITON_INSTANCES: setting(whole(1, 64).default(1), 'Processes of Triton that run one model.'),
  TRITON_THREADS: setting(whole(1, 256).default(1), 'Threads of each of these processes for one run.'),
} as const satisfies Settings;

type ServingSettings = SettingValues<typeof SERVING_SETTINGS>;

declare module '../../config.js' {
  interface Config extends ServingSettings {}
}
