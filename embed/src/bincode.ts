// Bytes of commands and notices in bincode: little-endian numbers of a fixed size, lengths of 64 bits, variants of 32 bits.
// wire.ts has the functions that write and read the types.

import { decodeUtf8, encodeUtf8 } from './utf8.js';

/** Longer texts go through the browser's encoder. For shorter ones its call takes longer than a loop. */
const LOOPED_MAX = 64;
/** A larger buffer (bytes) is released after use. */
const KEPT_MAX = 4 << 20;
/** Size of an empty writer's buffer (bytes). */
const INITIAL = 4 << 10;

export class Writer {
    #buffer = new Uint8Array(INITIAL);
    #view = new DataView(this.#buffer.buffer);
    #length = 0;

    /** Returns what was written, in a buffer of its own that may be transferred, and begins anew. */
    take(): Uint8Array<ArrayBuffer> {
        const written = this.#buffer.slice(0, this.#length);
        this.#length = 0;
        if (this.#buffer.length > KEPT_MAX) {
            this.#hold(new Uint8Array(INITIAL));
        }
        return written;
    }

    /** Overwrites the 64-bit number at an offset. */
    patchU64(at: number, value: number): void {
        this.#view.setUint32(at, value % 2 ** 32, true);
        this.#view.setUint32(at + 4, Math.floor(value / 2 ** 32), true);
    }

    bool(value: boolean): void {
        this.u8(value ? 1 : 0);
    }

    /** Writes whether there is a value, which the caller writes next. */
    some<T>(value: T | null): value is T {
        this.bool(value !== null);
        return value !== null;
    }

    u8(value: number): void {
        const at = this.#grow(1);
        this.#buffer[at] = value;
    }

    u16(value: number): void {
        const at = this.#grow(2);
        this.#view.setUint16(at, value, true);
    }

    u32(value: number): void {
        const at = this.#grow(4);
        this.#view.setUint32(at, value, true);
    }

    u64(value: number): void {
        const at = this.#grow(8);
        this.patchU64(at, value);
    }

    bytes(value: Uint8Array): void {
        this.u64(value.length);
        const at = this.#grow(value.length);
        this.#buffer.set(value, at);
    }

    str(value: string): void {
        const { length } = value;
        if (length > LOOPED_MAX) {
            return this.bytes(encodeUtf8(value));
        }
        this.u64(length);
        const at = this.#grow(length);
        for (let index = 0; index < length; index += 1) {
            const unit = value.charCodeAt(index);
            if (unit >= 0x80) {
                this.#length = at - 8;
                return this.bytes(encodeUtf8(value));
            }
            this.#buffer[at + index] = unit;
        }
    }

    /** Makes room for `count` more bytes, in a larger buffer if necessary. Returns their offset. */
    #grow(count: number): number {
        const at = this.#length;
        this.#length += count;
        if (this.#length > this.#buffer.length) {
            const larger = new Uint8Array(Math.max(this.#length, this.#buffer.length * 2));
            larger.set(this.#buffer.subarray(0, at));
            this.#hold(larger);
        }
        return at;
    }

    #hold(buffer: Uint8Array<ArrayBuffer>): void {
        this.#buffer = buffer;
        this.#view = new DataView(buffer.buffer);
    }
}

/** The last short text that was read. Messages often have the same topic, and comparing is faster than decoding. */
let lastText = '';
let lastBytes = new Uint8Array(0);

/** Reads bytes that a writer wrote. Throws a RangeError on other bytes. */
export class Reader {
    readonly #bytes: Uint8Array;
    readonly #view: DataView;
    #at = 0;

    constructor(bytes: Uint8Array) {
        this.#bytes = bytes;
        this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }

    /** Throws if bytes are left. */
    end(): void {
        if (this.#left() > 0) {
            throw new RangeError(`${this.#left()} bytes left`);
        }
    }

    bool(): boolean {
        return this.u8() !== 0;
    }

    u8(): number {
        return this.#bytes[this.#take(1)]!;
    }

    u32(): number {
        return this.#view.getUint32(this.#take(4), true);
    }

    u64(): number {
        const at = this.#take(8);
        return this.#view.getUint32(at, true) + this.#view.getUint32(at + 4, true) * 2 ** 32;
    }

    /** Reads bytes into an array of their own. */
    bytes(): Uint8Array<ArrayBuffer> {
        const length = this.u64();
        const at = this.#take(length);
        return this.#bytes.slice(at, at + length) as Uint8Array<ArrayBuffer>;
    }

    str(): string {
        const length = this.u64();
        const at = this.#take(length);
        if (length > LOOPED_MAX) {
            return decodeUtf8(this.#bytes.subarray(at, at + length));
        }
        let same = lastBytes.length === length ? 0 : -1;
        while (same >= 0 && same < length) {
            same = lastBytes[same] === this.#bytes[at + same] ? same + 1 : -1;
        }
        if (same < 0) {
            lastBytes = this.#bytes.slice(at, at + length) as Uint8Array<ArrayBuffer>;
            lastText = decodeUtf8(lastBytes);
        }
        return lastText;
    }

    char(): string {
        // The first byte gives the length.
        const first = this.#bytes[this.#at] ?? 0;
        const at = this.#take(first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4);
        return decodeUtf8(this.#bytes.subarray(at, this.#at));
    }

    list<T>(item: () => T): T[] {
        const length = this.u64();
        // Every item has at least a byte.
        this.#require(length);
        const items: T[] = [];
        while (items.length < length) {
            items.push(item());
        }
        return items;
    }

    /** Reads one of these values, by its index. */
    unit<T>(values: readonly T[]): T {
        const value = values[this.u32()];
        if (value === undefined) {
            throw this.unknown();
        }
        return value;
    }

    /** The error for the index of no variant. */
    unknown(): RangeError {
        return new RangeError('no such variant');
    }

    #left(): number {
        return this.#bytes.length - this.#at;
    }

    #require(count: number): void {
        if (count > this.#left()) {
            throw new RangeError(`${count} bytes wanted, ${this.#left()} left`);
        }
    }

    #take(count: number): number {
        this.#require(count);
        this.#at += count;
        return this.#at - count;
    }
}
