globalThis.watch = (() => {
    const tasks = [];
    const frames = [];
    const ready = {};
    let from = 0;
    let memory;
    let arrived = { count: 0, at: 0 };
    const received = () =>
        Number(document.querySelector("[data-testid=message-count]")?.textContent.replaceAll(",", "") ?? 0);
    const note = (entries) => tasks.push(...entries.map(({ startTime, duration }) => ({ at: startTime, ms: duration })));
    const observer = new PerformanceObserver((list) => note(list.getEntries()));
    observer.observe({ type: "longtask", buffered: true });
    addEventListener("TrunkApplicationStarted", ({ detail }) => { memory = detail.wasm.memory; });
    const look = (what, selector) => {
        if (ready[what] === undefined && document.querySelector(selector) !== null) ready[what] = performance.now();
    };
    const frame = (at) => {
        frames.push(at);
        look("broker", "[data-testid=role-badge][data-role=broker]");
        look("connected", "[data-testid=status][data-status=connected]");
        const count = received();
        if (count !== arrived.count) arrived = { count, at: performance.now() };
        requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
    return {
        begin() { from = performance.now(); },
        report() {
            note(observer.takeRecords());
            const since = frames.filter((at) => at >= from);
            const gaps = since.slice(1).map((at, index) => at - since[index]);
            return {
                ms: performance.now() - from,
                frames: since.length,
                longestFrame: gaps.reduce((a, b) => Math.max(a, b), 0),
                arrivedMs: arrived.at - from,
                tasks: tasks.filter(({ at }) => at >= from).map(({ at, ms }) => ({ at: at - from, ms })),
            };
        },
        ready() {
            const paint = (name) => performance.getEntriesByName(name)[0]?.startTime;
            const all = { ...ready, firstPaint: paint("first-paint"), contentful: paint("first-contentful-paint") };
            return Object.keys(all).length === 4 && Object.values(all).every(Number.isFinite) ? all : null;
        },
        wasm: () => memory?.buffer.byteLength ?? 0,
        received,
    };
})();
