import { defineConfig } from 'vite';

export default defineConfig({
    // Any path will do.
    base: './',
    // The development server does not look for workers in what it prepares beforehand.
    optimizeDeps: { exclude: ['tabmq'] },
    worker: { format: 'es' },
});
