// The first bytes of a file, unpacked where it is packed.

const HEAD_BYTES = 64 * 1024;

/** `{bytes, isWhole, isPacked}`: up to 64 KiB from the beginning. */
export async function readHead(file) {
  const bytes = new Uint8Array(await file.slice(0, HEAD_BYTES).arrayBuffer());
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return { bytes, isWhole: bytes.length === file.size, isPacked: false };
  return { ...(await unpack(bytes, bytes.length === file.size)), isPacked: true };
}

async function unpack(packed, isAll) {
  const reader = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip")).getReader();
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
    isWhole = false; // Cut off in the middle, as expected of the beginning of a larger file.
  }
  return { bytes: new Uint8Array(await new Blob(parts).arrayBuffer()), isWhole };
}
