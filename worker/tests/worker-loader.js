// Starts a worker from the test program itself, which the test runner serves under this name.

import init, { register_worker } from "/wasm-bindgen-test.js";

// The test runner starts workers from a blob, which has no place that others could be relative to.
await init({ module_or_path: new URL("/wasm-bindgen-test_bg.wasm", import.meta.url) });
register_worker();
