import type { DatasetFormat, DatasetProfile } from '../domain/tracking/dataset-schema.js';
import { AppError, type ErrorCode, type ErrorDetails } from '../errors.js';
import { profileDataset } from './dataset-profile.js';

/** Entry point of the process that one new file is read in; started by profile-apart.ts. */

export interface ProfileRequest {
  path: string;
  format: DatasetFormat;
}

export type ProfileAnswer =
  | { profile: DatasetProfile }
  | { code: ErrorCode; message: string; details: ErrorDetails }
  | { unexpected: string };

async function perform({ path, format }: ProfileRequest): Promise<ProfileAnswer> {
  try {
    return { profile: await profileDataset(path, format) };
  } catch (error) {
    if (error instanceof AppError) return { code: error.code, message: error.message, details: error.details };
    return { unexpected: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

process.on('message', (request: ProfileRequest) => {
  void perform(request).then((answer) => process.send!(answer, () => process.disconnect()));
});
// Without its parent nobody would hear of the result.
process.on('disconnect', () => process.exit(0));
