declare module '*.wasm' {
    /** A `data:` URL. */
    const url: string;
    export default url;
}

declare module 'tabmq-worker-script' {
    /** The worker's whole script. */
    const text: string;
    export default text;
}
