// Python in a worker of the page: it loads what the page needs, checks each file, and runs cells on demand.
//
// In:  {do: "start", static, needs}     the address of the book's _static folder; the parts of packages to fetch ahead
//      {do: "run", id, source, name}    {do: "rest"}: nothing will be asked for a while
//      {do: "simulate", figure, values}   {do: "cancel", figure}
// Out: {is: "progress", step, loaded, total}   {is: "ready"}   {is: "failed", reason, file}
//      {is: "output", id, kind, content}       {is: "done", id, good}   {is: "fetching", part, bytes}
//      {is: "drawn", figure, fraction}   {is: "drawn", figure, points}   {is: "drawn", figure, end}

const CACHE = "pairint-live";
const CORE = ["pyodide.asm.wasm", "python_stdlib.zip", "pyodide.asm.js", "pyodide.mjs"];
const LANES = 6; // downloads at a time: what a browser allows one host
const MEMORY = 2 ** 31; // bytes that Python may take: a cell that asks for more gets a MemoryError, and the page lives on
const MEMORY_PAGE = 2 ** 16; // bytes: WebAssembly counts in pages
let kernel = null;
let running = null;
let saveCompiled = () => {};
const drawing = new Set(); // figures for which data are drawn

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

const keyOf = (file, root) => `${new URL(file.path, root).href}?sha256=${file.sha256}`;
// What Python compiled of a part: the same for all pages, so that the next one starts sooner.
const compiledKeyOf = (file, root) => `${keyOf(file, root)}&compiled`;

// The file's bytes, from the cache or the host; the cache keeps only what was found right.
async function obtain(file, root, cache, count) {
  const key = keyOf(file, root);
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
  const bytes = await download(new URL(file.path, root).href, file, count);
  if (canHash && (await hash(bytes)) !== file.sha256) throw new Refused("altered", file.name);
  keep(cache, key, bytes);
  return bytes;
}

// Not waited for: where there is no room, the next page fetches the file again.
function keep(cache, key, bytes) {
  cache?.put(key, new Response(bytes)).catch(() => {});
}

async function unpack(file, bytes) {
  if (!file.packed) return bytes;
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function forgetOthers(cache, files, root) {
  try {
    const wanted = new Set(files.flatMap((file) => [keyOf(file, root), compiledKeyOf(file, root)]));
    for (const request of await cache.keys()) {
      if (request.url.startsWith(root) && !wanted.has(request.url)) await cache.delete(request);
    }
  } catch {
    // left for another time
  }
}

async function readManifest(root) {
  try {
    const response = await fetch(new URL("live/manifest.json", root).href, { cache: "no-cache" });
    if (!response.ok) throw new Refused("missing", "manifest.json", `${response.status}`);
    return await response.json();
  } catch (error) {
    throw error instanceof Refused ? error : new Refused("cut", "manifest.json", String(error));
  }
}

async function start(root, needs) {
  const { info, files: listed } = await readManifest(root);
  const files = new Map(Object.entries(listed).map(([name, file]) => [name, { name, ...file }]));
  const first = CORE.map((name) => files.get(name));
  const parts = new Set(["pairint", ...needs].filter((name) => files.has(name)));
  for (const name of [...parts]) for (const other of files.get(name).needs ?? []) parts.add(other);
  const waiting = [...first, ...[...parts].map((name) => files.get(name))];

  const total = waiting.reduce((sum, file) => sum + file.bytes, 0);
  let loaded = 0;
  let told = 0;
  let step = "download";
  const tell = () => postMessage({ is: "progress", step, loaded: (told = loaded), total });
  const enter = (next) => {
    step = next;
    tell();
  };
  const count = (bytes) => {
    loaded += bytes;
    if (loaded - told > total / 200 || loaded === total) tell();
  };
  tell();
  const cache = await openCache();
  if (cache) forgetOthers(cache, [...files.values()], root);
  const store = new Map();
  const compiled = new Map();
  const recall = async (name) => {
    const kept = await cache?.match(compiledKeyOf(files.get(name), root));
    if (kept) compiled.set(name, new Uint8Array(await kept.arrayBuffer()));
  };
  const recalled = Promise.all([...parts].map((name) => recall(name).catch(() => {})));
  const arrived = new Map(waiting.map(({ name }) => [name, Promise.withResolvers?.() ?? withResolvers()]));
  for (const { promise } of arrived.values()) promise.catch(() => {}); // all are waited for below
  const lane = async () => {
    for (let file; (file = waiting.shift()); ) {
      try {
        store.set(file.name, await unpack(file, await obtain(file, root, cache, count)));
        arrived.get(file.name).resolve();
      } catch (error) {
        arrived.get(file.name).reject(error);
        throw error;
      }
    }
  };
  const everything = Promise.all(Array.from({ length: LANES }, lane));
  everything.catch(() => {});
  const coreThere = Promise.all(CORE.map((name) => arrived.get(name).promise));
  await Promise.race([coreThere, everything]); // an error of any file ends the start at once
  await coreThere;

  // Python starts while its packages arrive.
  enter("start");
  const pyodide = await startPyodide(root, info, store);
  const names = pyodide.globals.get("dict")();
  const source = await (await fetch(new URL("live/kernel.py", root))).text();
  pyodide.runPython(source, { globals: names });
  await Promise.all([everything, recalled]);
  enter("imports");

  // What an import finds missing is taken from what was fetched ahead, else fetched now: a worker may wait.
  let late = null;
  const host = {
    provide(name) {
      late = null; // one that was refused is not kept
      const bytes = store.get(name);
      if (bytes) {
        store.delete(name); // once: the copy inside Python is enough
        return bytes;
      }
      const file = files.get(name);
      postMessage({ is: "fetching", part: name, bytes: file.bytes });
      late = new Uint8Array(waitFor(new URL(file.path, root).href, file));
      return late;
    },
    accept(name) {
      if (late) keep(cache, keyOf(files.get(name), root), late);
      late = null;
    },
    compiled: (name) => compiled.get(name),
    library(path) {
      const fs = { findObject: () => true, readFile: () => pyodide.FS.readFile(path) };
      const flags = { global: true, nodelete: true, allowUndefined: true, loadAsync: false, fs };
      pyodide._module.loadDynamicLibrary(path.split("/").pop(), flags); // by the name that others link to
    },
  };
  const described = pyodide.toPy(Object.fromEntries([...files].filter(([name]) => !CORE.includes(name))));
  const installed = names.get("install")(described, host);
  kernel = names.get("Kernel")((kind, content) => {
    if (running !== null) postMessage({ is: "output", id: running, kind, content }); // else: warnings of imports
  });
  names.get("prepare")(kernel);
  saveCompiled = () => {
    for (const pair of installed.compiled()) {
      const [part, archive] = pair.toJs();
      keep(cache, compiledKeyOf(files.get(part), root), archive);
      pair.destroy();
    }
  };
}

function withResolvers() {
  const made = {};
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
}

async function startPyodide(root, info, store) {
  // Pyodide asks for its files with fetch: it gets the bytes that were checked, and nothing from elsewhere.
  const honest = globalThis.fetch;
  const { Memory } = WebAssembly;
  WebAssembly.Memory = class extends Memory {
    constructor(limits) {
      super({ ...limits, maximum: Math.min(limits.maximum ?? Infinity, MEMORY / MEMORY_PAGE) });
    }
  };
  store.set("lock.json", new TextEncoder().encode(JSON.stringify({ info, packages: {} })));
  globalThis.fetch = async (request, options) => {
    const name = new URL(typeof request === "string" ? request : (request.url ?? request.href), root).pathname
      .split("/")
      .pop();
    if (!store.has(name)) return honest(request, options);
    const type = name.endsWith(".wasm") ? "application/wasm" : "application/octet-stream";
    const bytes = store.get(name);
    store.delete(name);
    return new Response(bytes, { headers: { "content-type": type } });
  };
  const load = async (name) => {
    const url = URL.createObjectURL(new Blob([store.get(name)], { type: "text/javascript" }));
    store.delete(name);
    const module = await import(url);
    URL.revokeObjectURL(url);
    return module;
  };
  try {
    await load("pyodide.asm.js"); // Pyodide would ask for it by its address
    const { loadPyodide } = await load("pyodide.mjs");
    return await loadPyodide({
      indexURL: new URL("vendor/pyodide/", root).href,
      lockFileURL: new URL("live/lock.json", root).href,
      stdout: () => {},
      stderr: () => {},
    });
  } finally {
    globalThis.fetch = honest;
    WebAssembly.Memory = Memory;
  }
}

// Fetches while Python waits.
function waitFor(url, file) {
  const request = new XMLHttpRequest();
  request.open("GET", url, false);
  request.responseType = "arraybuffer";
  try {
    request.send();
  } catch {
    throw new Error(`the download of ${file.name} was cut off`);
  }
  if (request.status !== 200) throw new Error(`the host does not have ${file.name}: ${request.status}`);
  if (request.response?.byteLength !== file.bytes) throw new Error(`the download of ${file.name} was cut off`);
  return request.response;
}

// Between two points other messages are heard: a cell, or the wish to stop.
async function simulate(figure, values) {
  drawing.add(figure);
  let end = "Done.";
  let further = null;
  try {
    further = kernel.simulate(figure, values, (fraction) => postMessage({ is: "drawn", figure, fraction }));
    for (let points; (points = further()) !== undefined; ) {
      postMessage({ is: "drawn", figure, points: JSON.parse(points) });
      await new Promise((resolve) => setTimeout(resolve, 0));
      if (!drawing.has(figure)) {
        end = "Cancelled.";
        break;
      }
    }
  } catch (error) {
    end = String(error.message ?? error).trim().split("\n").pop();
  }
  further?.destroy();
  drawing.delete(figure);
  postMessage({ is: "drawn", figure, end });
}

addEventListener("message", async ({ data }) => {
  if (data.do === "start") {
    try {
      await start(data.static, data.needs ?? []);
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
  } else if (data.do === "simulate") {
    await simulate(data.figure, data.values);
  } else if (data.do === "cancel") {
    drawing.delete(data.figure);
  } else if (data.do === "rest") {
    if (canHash) saveCompiled();
  }
});
