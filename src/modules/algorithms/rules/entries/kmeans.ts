import { defineAlgorithm } from '../algorithm.js';
import { integer } from '../parameters.js';
import { EPOCHS, maxCategories, OWN } from './common.js';

export const kmeans = defineAlgorithm({
  name: 'KMEANS',
  task: 'CLUSTERING',
  family: 'KMEANS',
  stopsEarly: false,
  sampleWeights: false,
  about: 'Clustering by k-means.',
  parameters: {
    clusters: integer({
      about: 'Number of clusters.',
      range: { min: 2, max: 1_000, unit: 'clusters' },
      default: 8,
      search: { kind: 'INTEGER', low: 2, high: 20 },
    }),
    epochs: integer({
      about: 'Maximum number of iterations; fewer when the centroids rest.',
      range: { ...EPOCHS, unit: 'iterations' },
      default: 1000,
    }),
    maxCategories: maxCategories(100),
  },
  ...OWN,
  canStopEarly: false,
});
