import { cp, rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import esbuild from 'esbuild';

await rm('dist', { recursive: true, force: true });
await esbuild.build({ entryPoints: ['src/main.js'], bundle: true, minify: true, format: 'esm', outdir: 'dist' });
await cp('src/index.html', 'dist/index.html');
// esbuild leaves the worker to us.
for (const file of ['worker.js', 'worker_bg.wasm']) {
    await cp(fileURLToPath(import.meta.resolve(`tabmq/${file}`)), `dist/${file}`);
}
