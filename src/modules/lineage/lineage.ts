import { defineLineage } from './contribution.js';

/** The kinds of edges that links of several modules share. */
export const LINEAGE = defineLineage({
  edgeKinds: {
    INPUT: 'The data or the model was read.',
    OUTPUT: 'The data, the model or the file was made.',
  },
});
