//! The worker of the package: its address, its policy, and its errors.

use std::path::PathBuf;

use e2e::{Caching, Page, Server, path_in};

use super::{PACKAGE, open, start, url};

#[test]
fn errors_name_their_cause() {
    let chromium = start();
    let page = open(&chromium, "esbuild");
    let plain = chromium.open(&url(&chromium, "plain"));
    plain.until_true("the example", "document.body?.dataset.ready === 'true'");
    let failure = |page: &Page<'_>, package: &str, options: &str| -> [String; 2] {
        page.evaluate_as(&format!(
            "import('{package}').then(({{ open }}) => open({{ channel: 'x', {options} }}))
                .then(() => ['nothing', ''], (error) => [error.code, error.message])"
        ))
    };
    let package = "./../../plain/dist/tabmq/index.js";
    for (options, code, words) in [
        (
            "workerUrl: 'nowhere.js'",
            "worker-missing",
            "worker.js exists",
        ),
        // Served as a page.
        (
            "workerUrl: 'index.html'",
            "worker-missing",
            "text/javascript",
        ),
        ("wasmUrl: 'nowhere.wasm'", "wasm-missing", "404"),
        ("wasmUrl: 'index.html'", "wasm-missing", "text/html"),
        ("wasmUrl: 'main.js'", "wasm-missing", "no WebAssembly"),
        ("channel: 'a b'", "invalid-option", "channel name"),
        ("durability: 'some'", "invalid-option", "relaxed"),
        ("role: 'king'", "invalid-option", "auto or client"),
        ("signal: AbortSignal.abort()", "aborted", "gave it up"),
    ] {
        let [actual, message] = failure(&page, package, options);
        assert_eq!(actual, code, "{options}: {message}");
        assert!(message.contains(words), "{options}: {message}");
    }
    // A policy that allows no other origin.
    let elsewhere = "workerUrl: 'https://elsewhere.test/worker.js'";
    let [code, message] = failure(&plain, "./tabmq/index.js", elsewhere);
    assert_eq!(code, "blocked-by-csp", "{message}");
    let older = chromium.open_blank();
    older.before_each_page("delete globalThis.BroadcastChannel");
    older.navigate(&url(&chromium, "plain"));
    older.until_true("an error", "document.querySelector('#error')?.textContent.startsWith('unsupported: This browser has no BroadcastChannel')");
}

#[test]
fn a_sandboxed_frame_gets_an_error_about_its_opaque_origin() {
    let chromium = start();
    let page = open(&chromium, "esbuild");
    let [code, message]: [String; 2] = page.evaluate_as(
        "new Promise((resolve) => {
            addEventListener('message', ({ data }) => resolve(data));
            const frame = document.createElement('iframe');
            frame.sandbox = 'allow-scripts';
            const script = new URL('../../plain/dist/tabmq/index.js', location.href).href;
            frame.srcdoc = `<script type='module'>
                const tell = (it) => parent.postMessage(it, '*');
                import('${script}').then(({ open }) => open({ channel: 'x' }))
                    .then(() => tell(['nothing', '']), (error) => tell([error.code ?? '', error.message]));
            </` + `script>`;
            document.body.append(frame);
        })",
    );
    assert_eq!(code, "unsupported", "{message}");
    assert!(message.contains("opaque origin"), "{message}");
}

/// The policy in the package's README.
const POLICY: &str = "script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'";

#[test]
fn the_documented_policy_is_sufficient_and_an_error_names_a_missing_part() {
    for (policy, words) in [
        (POLICY.to_owned(), ""),
        (
            POLICY.replace(" 'wasm-unsafe-eval'", ""),
            "needs script-src 'wasm-unsafe-eval'",
        ),
        (
            POLICY.replace("worker-src 'self'", "worker-src 'none'"),
            "worker-src",
        ),
    ] {
        let chromium = start();
        chromium
            .server()
            .add_header("Content-Security-Policy", &policy);
        let page = chromium.open(&url(&chromium, "vite-ts"));
        page.until_true(
            "an end",
            "document.body?.dataset.ready === 'true' || !!document.querySelector('#error')?.textContent",
        );
        let error: String = page.evaluate_as("document.querySelector('#error').textContent");
        match words {
            "" => assert_eq!(error, ""),
            words => assert!(
                error.starts_with("blocked-by-csp: ") && error.contains(words),
                "{policy}: {error}"
            ),
        }
    }
}

#[test]
fn a_package_from_another_origin_starts_its_worker_through_a_local_one() {
    let folder: PathBuf = path_in("TABMQ_EXAMPLES").join("plain/dist/tabmq");
    let elsewhere = Server::start(&folder, "/cdn/", Caching::Unsaid).expect("a server");
    let origin = elsewhere.url().replace("/cdn/", "");
    let policy = |worker: &str| {
        format!(
            "script-src 'self' {origin} 'wasm-unsafe-eval'; worker-src 'self' blob: {worker}; connect-src 'self' {origin}"
        )
    };
    let needed = format!("worker-src blob: {origin};");
    for (policy, expected) in [
        (None, "over there"),
        (Some(policy(&origin)), "over there"),
        (Some(policy("")), needed.as_str()),
    ] {
        let chromium = start();
        if let Some(policy) = &policy {
            let server = chromium.server();
            server.add_header("Content-Security-Policy", policy);
        }
        let page = open(&chromium, "esbuild");
        let end: String = page.evaluate_as(&format!(
            "import('{}index.js').then(async ({{ open }}) => {{
                const bus = await open({{ channel: 'elsewhere' }});
                const client = await bus.connect();
                await client.subscribeAsync('t');
                const came = new Promise((resolve) => client.once('message', (topic, payload, message) => resolve(message.text())));
                await client.publishAsync('t', 'over there', {{ qos: 1 }});
                return came;
            }}).catch(({{ message }}) => message)",
            elsewhere.url()
        ));
        assert!(end.contains(expected), "{policy:?}: {end}");
    }
}

#[test]
fn a_bundle_from_another_origin_starts_the_bundlers_worker_from_there() {
    let chromium = start();
    let folder: PathBuf = path_in("TABMQ_EXAMPLES").join("vite-ts/dist");
    let elsewhere = Server::start(&folder, "/cdn/", Caching::Unsaid).expect("a server");
    let page = open(&chromium, "esbuild");
    let build: String = page.evaluate_as(&format!(
        "(async (there) => {{
            const said = new Promise((resolve) => {{
                globalThis.Worker = class extends Worker {{
                    constructor(...it) {{
                        super(...it);
                        this.addEventListener('message', ({{ data }}) => data?.tabmq === 'hello' && resolve(data.build));
                    }}
                }};
            }});
            const html = await (await fetch(there)).text();
            const bundle = new URL(/src=\"([^\"]+[.]js)\"/.exec(html)[1], there).href;
            await import(bundle);
            return said;
        }})('{}index.html')",
        elsewhere.url()
    ));
    assert!(!build.is_empty());
}

#[test]
fn the_single_file_build_needs_no_other_file() {
    let chromium = start();
    let page = open(&chromium, "esbuild");
    let package = "./../../plain/dist/tabmq/inline.js";
    let roles: Vec<String> = page.evaluate_as(&format!(
        "import('{package}').then(async ({{ open }}) => {{
            const [one, two] = await Promise.all([open({{ channel: 'inline' }}), open({{ channel: 'inline' }})]);
            const client = await one.connect();
            const roles = [one.role, two.role];
            await one.close();
            await one.close();
            const failed = await client.publishAsync('t', 'x').catch((error) => error.code);
            const other = await two.connect();
            const code = await other.publishAsync('t', 'x', {{ qos: 1 }});
            await two.close();
            return [...roles, failed, String(code)];
        }})"
    ));
    assert_eq!(roles, ["broker", "broker", "closed", "16"]);
    let waits: String = page.evaluate_as(&format!(
        "import('{package}').then(async ({{ open }}) => {{
            const bus = await open({{ channel: 'nobody', role: 'client' }});
            return bus.connect({{ signal: AbortSignal.timeout(500) }}).then(() => 'connected', (error) => `${{bus.role}} ${{error.code}}`);
        }})"
    ));
    assert_eq!(waits, "waiting aborted");
}

#[test]
fn a_script_that_is_no_tabmq_worker_is_named_and_a_valid_worker_opens_after_it() {
    let chromium = start();
    let page = open(&chromium, "esbuild");
    // A worker identifies itself before it loads its WebAssembly, which may take long.
    let build: String = page.evaluate_as(
        "new Promise((resolve) => {
            const worker = new Worker('../../plain/dist/tabmq/worker.js', { type: 'module' });
            worker.onmessage = ({ data }) => resolve(data.build);
        })",
    );
    assert!(!build.is_empty());
    for script in ["../../plain/dist/tabmq/index.js", "data:text/javascript,1"] {
        // Long pauses are shortened. The valid worker waits for the wrong one, and then for its own WebAssembly.
        let [code, message, role]: [String; 3] = page.evaluate_as(&format!(
            "(async () => {{
                const pause = globalThis.pause ??= setTimeout;
                globalThis.setTimeout = (run, ms, ...rest) => pause(run, Math.min(ms ?? 0, 300), ...rest);
                const {{ open }} = await import('{PACKAGE}');
                const wrong = open({{ channel: 'wrong', workerUrl: '{script}' }});
                const right = open({{ channel: 'wrong' }});
                const [code, message] = await wrong.then(() => ['nothing', ''], (error) => [error.code, error.message]);
                await using bus = await right;
                await using client = await bus.connect();
                await using later = await open({{ channel: 'wrong' }});
                return [code, message, later.role];
            }})()"
        ));
        assert_eq!(code, "worker-failed", "{message}");
        assert!(
            message.contains("no TabMQ worker of this version"),
            "{message}"
        );
        assert!(
            message.contains(script.trim_start_matches("../")),
            "{message}"
        );
        assert_eq!(role, "broker");
    }
}

#[test]
fn errors_of_workers_and_options_explain_the_remedy() {
    let chromium = start();
    let page = open(&chromium, "esbuild");
    for (options, code, words) in [
        ("", "invalid-option", "not undefined"),
        ("null", "invalid-option", "not null"),
        (
            "{ channel: 'x', signal: {} }",
            "invalid-option",
            "AbortSignal",
        ),
        (
            "{ channel: 'x', workerUrl: 'http://[' }",
            "invalid-option",
            "http://[",
        ),
        (
            "{ channel: 'x', wasmUrl: 'http://[' }",
            "invalid-option",
            "http://[",
        ),
        (
            "{ channel: 'x', workerUrl: 'nowhere.js' }",
            "worker-missing",
            "esbuild/dist/nowhere.js",
        ),
        (
            "{ channel: 'x', workerUrl: '.vite/deps/worker.js' }",
            "worker-missing",
            "optimizeDeps: { exclude: ['tabmq'] }",
        ),
    ] {
        let [actual, message]: [String; 2] = page.evaluate_as(&format!(
            "import('{PACKAGE}').then(({{ open }}) => open({options}))
                .then(() => ['nothing', ''], (error) => [error.code, error.message])"
        ));
        assert_eq!(actual, code, "{options}: {message}");
        assert!(message.contains(words), "{options}: {message}");
    }
    let [connect, port]: [String; 2] = page.evaluate_as(&format!(
        "import('{PACKAGE}').then(async ({{ open }}) => {{
            await using bus = await open({{ channel: 'options' }});
            return Promise.all([bus.connect(null), bus.openPort({{ signal: 5 }})].map((it) => it.catch((error) => error.code)));
        }})"
    ));
    assert_eq!([connect, port], ["invalid-option", "invalid-option"]);

    // A worker is no page.
    let [code, message]: [String; 2] = page.evaluate_as(&format!(
        "new Promise((resolve) => {{
            const script = `import('${{new URL('{PACKAGE}', location.href)}}').then(({{ open }}) => open({{ channel: 'x' }}))
                .catch((error) => postMessage([error.code ?? '', error.message]))`;
            new Worker(URL.createObjectURL(new Blob([script]))).onmessage = ({{ data }}) => resolve(data);
        }})"
    ));
    assert_eq!(code, "unsupported", "{message}");
    assert!(message.contains("needs a page"), "{message}");

    // The single-file build needs another policy.
    let plain = open(&chromium, "plain");
    let [code, message]: [String; 2] = plain.evaluate_as(
        "import('./tabmq/inline.js').then(({ open }) => open({ channel: 'x' }))
            .then(() => ['nothing', ''], (error) => [error.code, error.message])",
    );
    assert_eq!(code, "blocked-by-csp", "{message}");
    assert!(
        message.contains("worker-src blob:; connect-src data:"),
        "{message}"
    );

    chromium.server().add_header(
        "Content-Security-Policy",
        "require-trusted-types-for 'script'",
    );
    let strict = chromium.open(&url(&chromium, "plain"));
    strict.until_true(
        "an error",
        "document.querySelector('#error')?.textContent.startsWith('blocked-by-csp')",
    );
    let message: String = strict.evaluate_as("document.querySelector('#error').textContent");
    assert!(message.contains("dist/tabmq/worker.js"), "{message}");
    assert!(
        message.contains("Set workerUrl to a TrustedScriptURL"),
        "{message}"
    );
}
