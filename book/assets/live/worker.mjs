// Python in a worker of the page: it loads what the list names, checks each file, and runs cells on demand.
//
// In:  {do: "start", static}            the address of the book's _static folder
//      {do: "run", id, source, name}
// Out: {is: "progress", step, loaded, total}   {is: "ready"}   {is: "failed", reason, file}
//      {is: "output", id, kind, content}       {is: "done", id, good}

const CACHE = "pairint-live";
let kernel = null;
let running = null;

class Refused extends Error {
  constructor(reason, file, detail) {
    super(detail ?? reason);
    this.reason = reason;
    this.file = file;
  }
}

async function hash(bytes) {
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Browsers compute digests on https and on this machine only. Elsewhere they still compare what they fetch.
const canHash = Boolean(globalThis.crypto?.subtle);

function integrity(sha256) {
  return "sha256-" + btoa(String.fromCharCode(...sha256.match(/../g).map((pair) => parseInt(pair, 16))));
}

async function openCache() {
  try {
    return canHash ? await caches.open(CACHE) : null;
  } catch {
    return null; // storage refused: files come from the host, or from the browser's own cache, each time
  }
}

async function download(url, file, count) {
  let response;
  try {
    response = await fetch(url, canHash ? {} : { integrity: integrity(file.sha256) });
  } catch (error) {
    throw new Refused("cut", file.name, String(error));
  }
  if (!response.ok) throw new Refused("missing", file.name, `${response.status} ${response.statusText}`);
  const bytes = new Uint8Array(file.bytes);
  let length = 0;
  try {
    for (const reader = response.body.getReader(); ; ) {
      const { done, value } = await reader.read();
      if (done) break;
      if (length + value.length > bytes.length) throw new Refused("altered", file.name);
      bytes.set(value, length);
      length += value.length;
      count(value.length);
    }
  } catch (error) {
    throw error instanceof Refused ? error : new Refused("cut", file.name, String(error));
  }
  if (length < bytes.length) throw new Refused("cut", file.name, `${length} of ${bytes.length} bytes`);
  return bytes;
}

// The file's bytes, from the cache or the host; the cache keeps only what was found right.
async function obtain(file, root, cache, count) {
  const url = new URL(file.path, root).href;
  const key = `${url}?sha256=${file.sha256}`;
  try {
    const kept = await cache?.match(key);
    if (kept) {
      const bytes = new Uint8Array(await kept.arrayBuffer());
      if ((await hash(bytes)) === file.sha256) {
        count(bytes.length);
        return bytes;
      }
    }
  } catch {
    // a cache that cannot be read is no cache
  }
  const bytes = await download(url, file, count);
  if (canHash && (await hash(bytes)) !== file.sha256) throw new Refused("altered", file.name);
  try {
    await cache?.put(key, new Response(bytes));
  } catch {
    // no room: the next page will fetch the file again
  }
  return bytes;
}

async function forgetOthers(cache, files, root) {
  try {
    const wanted = new Set(files.map((file) => `${new URL(file.path, root).href}?sha256=${file.sha256}`));
    for (const request of await cache.keys()) {
      if (request.url.startsWith(root) && !wanted.has(request.url)) await cache.delete(request);
    }
  } catch {
    // left for another time
  }
}

async function start(root) {
  const progress = (step, loaded, total) => postMessage({ is: "progress", step, loaded, total });
  const address = new URL("live/manifest.json", root).href;
  let files;
  try {
    const response = await fetch(address, { cache: "no-cache" });
    if (!response.ok) throw new Refused("missing", "manifest.json", `${response.status}`);
    files = (await response.json()).files;
  } catch (error) {
    throw error instanceof Refused ? error : new Refused("cut", "manifest.json", String(error));
  }
  const total = files.reduce((sum, file) => sum + file.bytes, 0);
  let loaded = 0;
  let told = 0;
  const count = (bytes) => {
    loaded += bytes;
    if (loaded - told > total / 200 || loaded === total) progress("download", (told = loaded), total);
  };
  progress("download", 0, total);
  const cache = await openCache();
  const store = new Map();
  const waiting = [...files].sort((a, b) => b.bytes - a.bytes);
  // Four at a time: what a host allows, and a cut loses little.
  await Promise.all(
    Array.from({ length: 4 }, async () => {
      for (let file; (file = waiting.shift()); ) store.set(file.name, await obtain(file, root, cache, count));
    }),
  );
  if (cache) forgetOthers(cache, files, root);

  progress("start", total, total);
  // Pyodide asks for its files with fetch: it gets the bytes that were checked, and nothing from elsewhere.
  const honest = globalThis.fetch;
  globalThis.fetch = async (request, options) => {
    const name = new URL(typeof request === "string" ? request : (request.url ?? request.href), root).pathname
      .split("/")
      .pop();
    if (!store.has(name)) return honest(request, options);
    const type = name.endsWith(".wasm") ? "application/wasm" : "application/octet-stream";
    const bytes = store.get(name);
    store.delete(name); // once: the copy inside Python is enough
    return new Response(bytes, { headers: { "content-type": type } });
  };
  const load = async (name) => {
    const url = URL.createObjectURL(new Blob([store.get(name)], { type: "text/javascript" }));
    store.delete(name);
    const module = await import(url);
    URL.revokeObjectURL(url);
    return module;
  };
  await load("pyodide.asm.js"); // Pyodide would ask for it by its address
  const { loadPyodide } = await load("pyodide.mjs");
  const pyodide = await loadPyodide({
    indexURL: new URL("vendor/pyodide/", root).href,
    lockFileURL: new URL("live/lock.json", root).href,
    stdout: () => {},
    stderr: () => {},
  });
  progress("packages", total, total);
  await pyodide.loadPackage("pairint", { messageCallback: () => {}, errorCallback: () => {} });
  globalThis.fetch = honest;
  store.clear();
  progress("imports", total, total);
  const source = await (await fetch(new URL("live/kernel.py", root))).text();
  const names = pyodide.globals.get("dict")();
  pyodide.runPython(source, { globals: names });
  kernel = names.get("Kernel")((kind, content) => {
    if (running !== null) postMessage({ is: "output", id: running, kind, content }); // else: warnings of imports
  });
  // What every page needs is imported now, so that its first cell is not blamed for it.
  pyodide.runPython("import numpy, scipy.optimize, pandas, matplotlib.pyplot, sklearn.base, pairint");
}

addEventListener("message", async ({ data }) => {
  if (data.do === "start") {
    try {
      await start(data.static);
      postMessage({ is: "ready" });
    } catch (error) {
      postMessage({
        is: "failed",
        reason: error.reason ?? (error instanceof RangeError ? "memory" : "python"), // no room for the heap
        file: error.file ?? "",
        detail: String(error.message ?? error),
      });
    }
  } else if (data.do === "run") {
    running = data.id;
    let good = false;
    try {
      good = kernel.run(data.source, data.name);
    } catch (error) {
      // Python itself broke: nothing can be run any more.
      postMessage({ is: "failed", reason: "memory", file: "", detail: String(error.message ?? error) });
      return;
    }
    postMessage({ is: "done", id: data.id, good });
  }
});
