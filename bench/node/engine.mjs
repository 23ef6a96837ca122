// Measures the engine's loops as WebAssembly, and qlobber. Reads one request a line, and answers with the seconds that it took
// and its result.
//
//   node engine.mjs FAST.js SMALL.js    the two builds by wasm-bindgen
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import qlobber from 'qlobber';

const require = createRequire(import.meta.url);
const builds = { fast: require(process.argv[2]), small: require(process.argv[3]) };

const kept = new Map();
/** The value that was made under `name` before, or a new one. The time of making is not measured. */
function once(name, make) {
    if (!kept.has(name)) kept.set(name, make());
    return kept.get(name);
}

function timed(run) {
    const start = performance.now();
    const result = run();
    return [(performance.now() - start) / 1000, result];
}

const loops = {
    matching(build, count) {
        const loop = once(`matching ${build}`, () => new builds[build].WasmMatching());
        return timed(() => loop.run(count));
    },
    routing(build, messages, receivers, qos) {
        const name = `routing ${build} ${receivers} ${qos}`;
        const loop = once(name, () => new builds[build].WasmRouting(receivers, qos > 0));
        return timed(() => loop.run(messages));
    },
    subscribe(build) {
        const loop = once(`churn ${build}`, () => new builds[build].WasmChurn());
        return timed(() => loop.subscribe());
    },
    unsubscribe(build) {
        const loop = once(`churn ${build}`, () => new builds[build].WasmChurn());
        return timed(() => loop.unsubscribe());
    },
    // The longest step counts, because other clients wait for it.
    hostile(build, number) {
        const loop = new builds[build].WasmHostile(number);
        let [longest, hasMore] = [0, true];
        while (hasMore) {
            const [seconds, more] = timed(() => loop.step());
            longest = Math.max(longest, seconds);
            hasMore = more;
        }
        loop.free();
        return [longest, 1];
    },
    retained(build, lookups) {
        const loop = once(`retained ${build}`, () => new builds[build].WasmRetainedLookup());
        return timed(() => loop.run(lookups));
    },
};

const mqtt = { separator: '/', wildcard_one: '+', wildcard_some: '#' };
const filters = once('filters', () => builds.fast.filters());

function filled() {
    const matcher = new qlobber.Qlobber(mqtt);
    filters.forEach((filter, index) => matcher.add(filter, index));
    return matcher;
}

const competitor = {
    matching(count) {
        const matcher = once('qlobber', filled);
        const topics = once('topics', () => builds.fast.topics(count));
        return timed(() => {
            let found = 0;
            for (const topic of topics) found += matcher.match(topic).length;
            return found;
        });
    },
    subscribe() {
        const matcher = new qlobber.Qlobber(mqtt);
        kept.set('churn', matcher);
        return timed(() => {
            filters.forEach((filter, index) => matcher.add(filter, index));
            return filters.length;
        });
    },
    unsubscribe() {
        const matcher = once('churn', filled);
        kept.delete('churn');
        return timed(() => {
            filters.forEach((filter, index) => matcher.remove(filter, index));
            return 0;
        });
    },
};

for await (const line of createInterface({ input: process.stdin })) {
    const [loop, who, ...numbers] = line.split(' ');
    const counts = numbers.map(Number);
    const [seconds, result] = who === 'qlobber' ? competitor[loop](...counts) : loops[loop](who, ...counts);
    console.log(`${seconds} ${result}`);
}
