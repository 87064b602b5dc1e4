import { retentionOf, type Retention } from '../platform/index.js';
import { deleteOldPrompts } from './stores/prompt-log.js';
import { deleteOldTokenMinutes } from './stores/token-use.js';

/** How long logged prompts, and minutes of tokens, are kept; 0 means for ever. */
export const retentionOfPrompts = (days: number): Retention => retentionOf(days, deleteOldPrompts);
export const retentionOfTokenMinutes = (days: number): Retention => retentionOf(days, deleteOldTokenMinutes);
