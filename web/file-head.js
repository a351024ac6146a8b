// Reads the first bytes of a file, decompressed if it is a gzip file, and notices when the file changes on disk.

const HEAD_BYTES = 64 * 1024;
const UNREADABLE = new Set(["NotReadableError", "NotFoundError"]);

/**
 * Up to 64 KiB; `isWhole` if that is the entire file. `raw` is what is on the disk.
 *
 * @typedef {{
 *   raw: Uint8Array<ArrayBuffer>,
 *   bytes: Uint8Array<ArrayBuffer>,
 *   isWhole: boolean,
 *   isGzip: boolean,
 * }} Head
 */

/**
 * Rejects with an error that `isUnreadable` recognises if the browser cannot read the file.
 *
 * @param {File} file
 * @returns {Promise<Head>}
 */
export async function readHead(file) {
  const raw = await rawHead(file);
  const isAll = raw.length === file.size;
  if (raw[0] !== 0x1f || raw[1] !== 0x8b) return { raw, bytes: raw, isWhole: isAll, isGzip: false };
  return { raw, ...(await decompress(raw, isAll)), isGzip: true };
}

/**
 * Whether the browser refused to read a file: it is gone, is a folder, or has changed since it was chosen.
 *
 * @param {unknown} error
 */
export const isUnreadable = (error) => error instanceof DOMException && UNREADABLE.has(error.name);

/**
 * Whether the file is no longer the one whose head was read. Browsers compare times, some of them only whole seconds,
 * so the first bytes are compared, too.
 *
 * @param {File} file
 * @param {Head} head
 */
export async function hasChanged(file, { raw }) {
  try {
    const found = await rawHead(file);
    return found.length !== raw.length || found.some((byte, index) => byte !== raw[index]);
  } catch (error) {
    if (isUnreadable(error)) return true;
    throw error;
  }
}

/**
 * Whether a file can still be read. It cannot once it has changed or was removed.
 *
 * @param {File} file
 */
export async function isReadable(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}

/** @param {string} filename */
export const changedText = (filename) => `${filename} has changed on disk since you chose it. Choose it again.`;

/** @param {File} file */
const rawHead = async (file) => new Uint8Array(await file.slice(0, HEAD_BYTES).arrayBuffer());

/**
 * @param {Uint8Array<ArrayBuffer>} compressed
 * @param {boolean} isAll
 */
async function decompress(compressed, isAll) {
  const reader = new Blob([compressed]).stream().pipeThrough(new DecompressionStream("gzip")).getReader();
  const parts = [];
  let size = 0;
  let isWhole = isAll;
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      parts.push(part.value);
      size += part.value.length;
      if (size < HEAD_BYTES) continue;
      isWhole = false;
      await reader.cancel();
      break;
    }
  } catch {
    isWhole = false; // The data ends early, as expected of the head of a larger file.
  }
  return { bytes: new Uint8Array(await new Blob(parts).arrayBuffer()), isWhole };
}
