import { Dataset } from '../../db/entities/datasets/dataset.entity.js';
import { defineModule } from '../../define-module.js';
import { DatasetResolver } from '../../resolvers/datasets/dataset.resolver.js';
import { DATASETS_LINEAGE, DatasetService, createDatasetLoaders } from './index.js';

interface DatasetsServices {
  datasets: DatasetService;
}

type DatasetsLoaders = ReturnType<typeof createDatasetLoaders>;

declare module '../../services.js' {
  interface Services extends DatasetsServices {}
}
declare module '../../loaders.js' {
  interface Loaders extends DatasetsLoaders {}
}

export default defineModule({
  name: 'datasets',
  lineage: DATASETS_LINEAGE,
  entities: [Dataset],
  createServices: ({ db, objects, files, config, services: { staged, uploads } }): DatasetsServices => {
    const datasets = new DatasetService({
      db,
      objects,
      staged,
      uploads,
      files,
      allowedDirs: config.DATASET_DIRS,
      maxBytes: config.MAX_UPLOAD_BYTES,
    });
    return { datasets };
  },
  createLoaders: createDatasetLoaders,
  resolvers: [DatasetResolver],
});
