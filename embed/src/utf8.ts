// Text as UTF-8. The encoder and decoder are created on first use: importing the package must work without them, as in Jest's jsdom.

let encoder: TextEncoder | undefined;
let decoder: TextDecoder | undefined;

export function encodeUtf8(text: string): Uint8Array<ArrayBuffer> {
    encoder ??= new TextEncoder();
    return encoder.encode(text);
}

export function decodeUtf8(bytes: Uint8Array): string {
    decoder ??= new TextDecoder();
    return decoder.decode(bytes);
}
