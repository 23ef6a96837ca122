// Copies the unmodified package beside the page. There is no build.
import { cp, mkdir, rm } from 'node:fs/promises';

await rm('dist', { recursive: true, force: true });
await mkdir('dist');
for (const file of ['index.html', 'main.js']) {
    await cp(file, `dist/${file}`);
}
await cp('../../node_modules/tabmq', 'dist/tabmq', { recursive: true });
