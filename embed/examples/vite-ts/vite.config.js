import { defineConfig } from 'vite';

export default defineConfig({
    // The app works below any path.
    base: './',
    // The development server does not find workers in pre-bundled dependencies.
    optimizeDeps: { exclude: ['tabmq'] },
    worker: { format: 'es' },
});
