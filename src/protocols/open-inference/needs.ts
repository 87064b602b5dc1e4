import { Role } from '../../modules/core/index.js';
import type { Need } from '../caller.js';

/** The rights that each kind of call needs, over HTTP and gRPC. */
export const INFER: Need = { what: 'Predicting', role: Role.VIEWER, scopes: ['PREDICT'] };
export const READ_MODEL: Need = { what: 'Reading a model', role: Role.VIEWER, scopes: ['PREDICT', 'READ'] };
export const LIST_MODELS: Need = { what: 'Listing models', role: Role.VIEWER, scopes: ['READ'] };
export const CHANGE_MODELS: Need = { what: 'Loading and unloading models', role: Role.ENGINEER, scopes: [] };
