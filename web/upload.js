// One file, straight to S3 by its presigned link. XMLHttpRequest, because fetch tells nothing of an upload's progress.

import { ApiError } from "./api.js";

/**
 * Uploads `file` as the API's `upload` object says; calls `onProgress(bytesSent)` on the way.
 * `signal` aborts it. Rejects with an ApiError.
 */
export function upload(file, { method, url, headers }, onProgress, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(method, url);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.addEventListener("progress", (event) => onProgress(event.loaded));
    request.addEventListener("load", () =>
      request.status < 300
        ? resolve()
        : reject(new ApiError(request.status, `The file store refused the upload (${request.status}). Try again.`)));
    request.addEventListener("error", () => reject(new ApiError(0, "The upload broke off. Check the connection and try again.")));
    request.addEventListener("abort", () => reject(new ApiError(0, "The upload was cancelled.")));
    signal.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}
