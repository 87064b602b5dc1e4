/** Columns of `ArtifactRow`. */
export const ARTIFACT_COLUMNS =
  'id, path, size_bytes::float8 as "sizeBytes", sha256, content_type as "contentType", created_at as "createdAt"';

/** A stored file as it is listed. */
export interface ArtifactRow {
  id: string;
  path: string;
  sizeBytes: number;
  sha256: string;
  contentType: string;
  createdAt: Date;
}
