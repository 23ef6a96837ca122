// Starts the worker of the page's own build, or reports which of its files is missing.
//
// Trunk does not hash the worker's file names, so a cache could hand out glue of one build and WebAssembly of another.
// The page starts this file as `worker-loader.js?v=BUILD`, and the same `?v=BUILD` is passed on to both.

const query = new URL(import.meta.url).search;
const glueUrl = new URL(`./worker.js${query}`, import.meta.url);
const wasmUrl = new URL(`./worker_bg.wasm${query}`, import.meta.url);

// Both requests start before either is awaited.
const [glue, wasm] = await Promise.all([importGlue(), fetchWasm()]);
await glue.default({ module_or_path: wasm });

async function importGlue() {
    try {
        return await import(glueUrl.href);
    } catch (cause) {
        throw failure(glueUrl, cause);
    }
}

async function fetchWasm() {
    let response;
    try {
        response = await fetch(wasmUrl);
    } catch (cause) {
        throw failure(wasmUrl, cause);
    }
    const type = response.headers.get("content-type");
    // Servers for single-page apps answer a request for a missing file with the page itself and status 200.
    if (!response.ok || type?.startsWith("text/html")) {
        throw failure(wasmUrl, `the server answered ${response.status} with ${type ?? "no content type"}`);
    }
    return response;
}

function failure(url, cause) {
    return new Error(
        `TabMQ's worker cannot load ${url}: ${cause}. Check that this file was deployed beside worker-loader.js, `
            + "that the server sends it with its own content type (text/javascript or application/wasm), "
            + "and that it is of the same build as the page; then reload.",
        { cause },
    );
}
