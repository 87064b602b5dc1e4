import { SmallObject } from '../../db/entities/uploads/small-object.entity.js';
import { StagedObject } from '../../db/entities/uploads/staged-object.entity.js';
import { DirectUpload } from '../../db/entities/uploads/direct-upload.entity.js';
import { Upload } from '../../db/entities/uploads/upload.entity.js';
import { defineModule } from '../../define-module.js';
import { UploadResolver } from '../../resolvers/uploads/upload.resolver.js';
import { DirectUploads, StagedObjects, UploadService } from './index.js';

interface UploadsServices {
  directUploads: DirectUploads;
  staged: StagedObjects;
  uploads: UploadService;
}

declare module '../../services.js' {
  interface Services extends UploadsServices {}
}

const MINUTE_MS = 60_000;

export default defineModule({
  name: 'uploads',
  entities: [DirectUpload, Upload, StagedObject, SmallObject],
  createServices: ({ db, objects, logger, config }): UploadsServices => {
    const staged = new StagedObjects(db, objects, logger);
    const directUploads = new DirectUploads(db, objects, staged, config.MAX_UPLOAD_BYTES);
    return {
      directUploads,
      staged,
      uploads: new UploadService(db, objects, staged, directUploads, config.MAX_UPLOAD_BYTES),
    };
  },
  resolvers: [UploadResolver],
  createTicks: ({ services: { uploads, directUploads, staged } }) => [
    { name: 'sweep-uploads', intervalMs: MINUTE_MS, run: () => uploads.sweep() },
    { name: 'sweep-direct-uploads', intervalMs: MINUTE_MS, run: () => directUploads.sweep() },
    { name: 'sweep-staged', intervalMs: MINUTE_MS, run: () => staged.sweep() },
  ],
  createBackgroundWork: ({ services: { staged } }) => [{ in: 'worker', stop: () => staged.stop() }],
});
