// Reads the first bytes of a file, decompressed if it is a gzip file.

const HEAD_BYTES = 64 * 1024;

/**
 * Up to 64 KiB; `isWhole` if that is the entire file.
 *
 * @typedef {{ bytes: Uint8Array<ArrayBuffer>, isWhole: boolean, isGzip: boolean }} Head
 */

/**
 * @param {File} file
 * @returns {Promise<Head>}
 */
export async function readHead(file) {
  const bytes = new Uint8Array(await file.slice(0, HEAD_BYTES).arrayBuffer());
  const isAll = bytes.length === file.size;
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return { bytes, isWhole: isAll, isGzip: false };
  return { ...(await decompress(bytes, isAll)), isGzip: true };
}

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
