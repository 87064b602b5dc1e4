// Type and name of a download as MLflow's server gives them, so that clients and scripts that read them see no
// difference.

/** MLflow shows these as text, whatever their type. The last two are file names without an extension. */
const TEXTS = new Set(
  (
    'txt log err cfg conf cnf cf ini properties prop hocon toml yaml yml xml json js py py3 csv tsv md rst ' +
    'ipynb MLmodel mlproject'
  ).split(' '),
);

/** The part of Python's mimetypes that artifacts of machine learning may use. */
const TYPES = new Map(
  Object.entries({
    'application/javascript': 'js mjs',
    'application/json': 'json',
    'application/msword': 'doc',
    'application/pdf': 'pdf',
    'application/postscript': 'ps eps ai',
    'application/vnd.ms-excel': 'xls',
    'application/vnd.ms-powerpoint': 'ppt',
    'application/wasm': 'wasm',
    'application/x-hdf': 'hdf',
    'application/x-hdf5': 'h5',
    'application/x-latex': 'latex',
    'application/x-netcdf': 'nc cdf',
    'application/x-python-code': 'pyc',
    'application/x-sh': 'sh',
    'application/x-tar': 'tar tgz tbz2 txz',
    'application/x-tex': 'tex',
    'application/zip': 'zip',
    'audio/mpeg': 'mp3 mp2',
    'audio/x-wav': 'wav',
    'image/bmp': 'bmp',
    'image/gif': 'gif',
    'image/jpeg': 'jpg jpeg jpe',
    'image/png': 'png',
    'image/svg+xml': 'svg svgz',
    'image/tiff': 'tif tiff',
    'image/vnd.microsoft.icon': 'ico',
    'image/webp': 'webp',
    'text/css': 'css',
    'text/csv': 'csv',
    'text/html': 'html htm',
    'text/plain': 'txt',
    'text/tab-separated-values': 'tsv',
    'text/x-python': 'py',
    'text/xml': 'xml',
    'video/mp4': 'mp4',
    'video/mpeg': 'mpeg mpg',
    'video/quicktime': 'mov qt',
    'video/webm': 'webm',
    'video/x-msvideo': 'avi',
  }).flatMap(([type, extensions]) => extensions.split(' ').map((extension) => [extension, type])),
);
const COMPRESSED = /\.(gz|Z|bz2|xz|br)$/;

const extensionOf = (name: string) => /^.+\.([^.]+)$/s.exec(name)?.[1];

export function mimeTypeOf(name: string): string {
  if (TEXTS.has(extensionOf(name) ?? name)) return 'text/plain';
  return TYPES.get(extensionOf(name.replace(COMPRESSED, ''))?.toLowerCase() ?? '') ?? 'application/octet-stream';
}

const TOKEN = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/;

/**
 * By RFC 6266; names with other characters than ASCII also by RFC 8187. No name can end the header or start another.
 */
export function dispositionOf(name: string): string {
  const plain = name.normalize('NFKD').replace(/[^ -~]/g, '') || 'download';
  const shown = TOKEN.test(plain) ? plain : `"${plain.replace(/["\\]/g, '\\$&')}"`;
  if (/^[ -~]*$/.test(name)) return `attachment; filename=${shown}`;
  // Corrects the characters for which `encodeURIComponent` and RFC 8187 differ.
  const encoded = encodeURIComponent(name)
    .replace(/%(?:23|24|26|2B|5E|60|7C)/g, decodeURIComponent)
    .replace(/['()*]/g, (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`);
  return `attachment; filename=${shown}; filename*=UTF-8''${encoded}`;
}
