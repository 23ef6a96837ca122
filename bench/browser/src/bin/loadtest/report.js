"use strict";
// Draws plots of the data in #data.
const { seconds, incidents, percentiles } = JSON.parse(document.getElementById("data").textContent);
const dark = matchMedia("(prefers-color-scheme: dark)");
// A custom property with `light-dark()` is resolved only where it is used.
const probe = document.body.appendChild(document.createElement("i"));
probe.hidden = true;
const colour = (name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
};
const palette = () => (dark.matches
    ? ["#6cb6ff", "#f7b955", "#57c97a", "#ff8a7a", "#c297ff", "#4fd1c5", "#f78fc0", "#c5d15b"]
    : ["#0969da", "#b35900", "#1a7f37", "#b42318", "#7a3fc4", "#0f766e", "#b02a72", "#5f6b00"]);

const at = seconds.map((it) => it.atS);
const perSecond = (field) => seconds.map((it) => it[field] / it.seconds);
const processes = [...new Set(seconds.flatMap((it) => it.processes.map(({ process }) => process)))];
const ofProcess = (field) => processes.map((id, index) => [
    `process ${index + 1}`,
    seconds.map((it) => it.processes.find(({ process }) => process === id)?.[field] ?? null),
]);

const plots = [
    ["Throughput, messages/s", [
        ["sent", perSecond("sent")],
        ["acknowledged", perSecond("acknowledged")],
        ["delivered", perSecond("received")],
    ]],
    ["Latency, ms", percentiles.map((percent, index) => [`p${percent}`, seconds.map((it) => it.latencyMs[index])]), { log: true }],
    ["Longest time without an acknowledgement, ms", [["gap", seconds.map((it) => it.gapMs)]]],
    ["Processor time of each process, % of one processor", ofProcess("cpuPercent"), { quiet: true }],
    ["Memory of each process, MB", ofProcess("memoryMb"), { quiet: true }],
];

const main = document.getElementById("plots");
let drawn = [];

function markIncidents(plot) {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.strokeStyle = colour("incident");
    ctx.setLineDash([4, 4]);
    for (const { atS } of incidents) {
        const x = Math.round(plot.valToPos(atS, "x", true));
        ctx.beginPath();
        ctx.moveTo(x, bbox.top);
        ctx.lineTo(x, bbox.top + bbox.height);
        ctx.stroke();
    }
    ctx.restore();
}

function draw() {
    drawn.forEach((it) => it.destroy());
    main.replaceChildren();
    // Add all sections first, because their width depends on their number.
    const sections = plots.map(([title]) => {
        const section = main.appendChild(document.createElement("section"));
        section.appendChild(document.createElement("h2")).textContent = title;
        return section;
    });
    drawn = plots.map(([, lines, { log = false, quiet = false } = {}], place) => {
        const section = sections[place];
        const axis = { stroke: colour("quiet"), grid: { stroke: colour("grid") }, ticks: { stroke: colour("grid") } };
        const colours = palette();
        const plot = new uPlot({
            width: section.clientWidth,
            height: 240,
            scales: { x: { time: false }, y: log ? { distr: 3 } : { range: (_, least, most) => [Math.min(0, least), most * 1.05 || 1] } },
            axes: [{ ...axis, values: (_, all) => all.map((it) => `${it} s`) }, { ...axis, size: 70 }],
            legend: { show: !quiet },
            series: [{ label: "time, s" }, ...lines.map(([label], index) => ({
                label,
                stroke: colours[index % colours.length],
                width: quiet ? 1 : 1.5,
                value: (_, it) => (it === null ? "–" : it.toFixed(it < 100 ? 2 : 0)),
            }))],
            hooks: { draw: [markIncidents] },
        }, [at, ...lines.map(([, values]) => values)], section);
        return plot;
    });
    if (incidents.length > 0) {
        const note = main.appendChild(document.createElement("section"));
        note.appendChild(document.createElement("h2")).textContent = "Dashed lines";
        const list = note.appendChild(document.createElement("p"));
        list.className = "incidents";
        list.textContent = incidents.map(({ atS, what }) => `${atS.toFixed(1)} s: ${what}`).join("; ");
    }
}

draw();
dark.addEventListener("change", draw);
let resizing;
addEventListener("resize", () => {
    clearTimeout(resizing);
    resizing = setTimeout(draw, 100);
});
