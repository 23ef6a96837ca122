// Compiles each block of code in the READMEs against the package, as strictly as a template of Vite does. Checks that the package's
// README, which npm shows, links to its own sections only, or to other sites.

import { spawnSync } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const folder = here('readme');
await rm(folder, { recursive: true, force: true });
await mkdir(folder);

/** Names that the text around a block introduces. */
const GLOBALS = `
declare const bus: import('tabmq').Bus;
declare const client: import('tabmq').Client;
declare const signal: AbortSignal;
interface ImportMeta { readonly hot?: { dispose(run: () => void): void } }
`;
const CONFIG = {
    compilerOptions: {
        target: 'es2022',
        lib: ['es2022', 'dom'],
        module: 'esnext',
        moduleResolution: 'bundler',
        moduleDetection: 'force',
        strict: true,
        noUnusedLocals: true,
        noUnusedParameters: true,
        noFallthroughCasesInSwitch: true,
        verbatimModuleSyntax: true,
        skipLibCheck: true,
        types: [],
        jsx: 'react-jsx',
        noEmit: true,
    },
};
await writeFile(`${folder}/globals.d.ts`, GLOBALS);
await writeFile(`${folder}/tsconfig.json`, JSON.stringify({ ...CONFIG, include: ['*.tsx', 'globals.d.ts'] }));

/** The blocks of code of a text, each with the number of lines before it. */
function blocksOf(text) {
    return [...text.matchAll(/^```(jsx?|tsx?|html)\n(.*?)^```$/gms)].flatMap(({ index, 1: language, 2: code }) => {
        const lines = text.slice(0, index).split('\n').length;
        if (language !== 'html') {
            return [[lines, code]];
        }
        return [...code.matchAll(/<script type="module">\n(.*?)<\/script>/gs)].map((script) =>
            [lines + code.slice(0, script.index).split('\n').length, script[1]]);
    });
}

const published = await readFile(here('README.md'), 'utf8');
let count = 0;
for (const [name, text] of [['embed-README', published], ['README', await readFile(here('../README.md'), 'utf8')]]) {
    for (const [lines, code] of blocksOf(text)) {
        count += 1;
        // Errors have the line numbers of the README.
        await writeFile(`${folder}/${name}-${lines}.tsx`, '\n'.repeat(lines) + code.replace(/'https:[^']*\/tabmq\/index\.js'/, "'tabmq'"));
    }
}
if (count < 10) {
    throw new Error(`only ${count} blocks of code were found`);
}
const { status } = spawnSync(process.execPath, [here('node_modules/typescript/bin/tsc'), '-p', folder], { stdio: 'inherit' });
if (status !== 0) {
    process.exit(1);
}

const anchors = new Set([...published.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    `#${heading.toLowerCase().replaceAll(/[^\w\- ]/g, '').replaceAll(' ', '-')}`));
const dangling = [...published.matchAll(/\]\(([^)]+)\)/g)].map(([, link]) => link).filter((link) => !anchors.has(link) && !link.startsWith('https://'));
if (dangling.length > 0) {
    throw new Error(`the package's README links to ${dangling.join(' ')}`);
}
