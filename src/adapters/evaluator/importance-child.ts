import { serveParent } from '../../child-task/serve-parent.js';
import {
  parameterImportance,
  type ImportanceRequest,
  type ParameterImportance,
} from '../../modules/statistics/index.js';

/** Entry point of the process that runs one analysis; started by local-importance-analyst.ts. */
serveParent<ImportanceRequest, never, ParameterImportance>((request) => parameterImportance(request));
