import { z } from 'zod';
import type { StoredPart } from '../../../adapters/object-store/port.js';
import { Role } from '../../../modules/core/index.js';
import { jsonEndpoint, type Call, type Endpoint } from '../endpoint.js';
import { doesNotExist, invalidParameter, refusedState, whenAbsent } from '../errors.js';
import { integer, repeated, requiredInteger, requiredString, string } from '../protobuf-json.js';
import type { ArtifactAddress } from '../../../modules/artifacts/index.js';
import { findFileAddress } from './address.js';

// Uploads in parts: the client PUTs the parts directly to the object store, or to this service at signed URLs.

const ROOT = '/mlflow-artifacts/mpu';
const PATH = '*';
const target = { [PATH]: z.string(), path: requiredString };
const upload = { ...target, upload_id: requiredString };
const part = z.object({ part_number: requiredInteger, etag: string });

export const multipartEndpoints: Endpoint[] = [
  jsonEndpoint(
    ['POST'],
    `${ROOT}/create/*`,
    Role.ENGINEER,
    z.object({ ...target, num_parts: integer }),
    async (call, input) => {
      const { owner, path } = await addressOf(call, input);
      const { uploadId, urls } = await call.services.artifactFolders
        .begin(call, owner, path, input.num_parts ?? 1)
        .catch(refusedState);
      return {
        upload_id: uploadId,
        credentials: urls.map((url, i) => ({ url: new URL(url, call.origin).href, part_number: i + 1 })),
      };
    },
  ),
  jsonEndpoint(
    ['POST'],
    `${ROOT}/complete/*`,
    Role.ENGINEER,
    z.object({ ...upload, parts: repeated(part) }),
    async (call, { upload_id: id, parts, ...input }) => {
      requireUploadId(id);
      const { owner, path } = await addressOf(call, input);
      const check = (stored: readonly StoredPart[]) => {
        const isSame = ({ partNumber, etag }: StoredPart) =>
          parts.some(
            ({ part_number: number, etag: sent }) => number === partNumber && sent.replaceAll('"', '') === etag,
          );
        if (parts.length !== stored.length || !stored.every(isSame))
          throw invalidParameter('The parts are not those that were uploaded: their numbers or ETags differ.');
      };
      await call.services.artifactFolders.complete(call, owner, path, id, check).catch(noSuchUpload(id));
      return {};
    },
  ),
  jsonEndpoint(
    ['POST'],
    `${ROOT}/abort/*`,
    Role.ENGINEER,
    z.object(upload),
    async (call, { upload_id: id, ...input }) => {
      requireUploadId(id);
      const { owner, path } = await addressOf(call, input);
      await call.services.artifactFolders.abort(call, owner, path, id).catch(noSuchUpload(id));
      return {};
    },
  ),
];

/** The URL names the folder. `path` is the file on the client's disk; only its name is used. */
function addressOf(call: Call, { [PATH]: folder, path }: { [PATH]: string; path: string }): Promise<ArtifactAddress> {
  const name = path.split(/[/\\]/).at(-1);
  if (!name) throw invalidParameter('Invalid path');
  return call.run((session) => findFileAddress(session, call.services, `${folder}/${name.replaceAll('%', '%25')}`));
}

const noUpload = (id: string) => doesNotExist(`No multipart upload ${id} to this path is open.`);

/** Ids of uploads are UUIDs, and the database refuses to look up any other text. */
function requireUploadId(id: string): void {
  if (!z.uuid().safeParse(id).success) throw noUpload(id);
}

const noSuchUpload = (id: string) => whenAbsent(() => noUpload(id));
