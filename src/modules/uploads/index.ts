export { DirectUploads } from './direct-uploads.js';
export { sha256Of } from './file-hash.js';
export { addSmall, MAX_SMALL_BYTES, smallKey, SmallObjects } from './small-objects.js';
export { StagedObjects } from './staged-objects.js';
export { UploadService } from './upload.service.js';
