// Commands and notices in bincode: little-endian numbers of a fixed size, lengths of 64 bits, variants of 32 bits.

import { decodeUtf8, encodeUtf8 } from './utf8.js';
import { LAYOUT } from './wire.js';

type Layout = string | { readonly [name: string]: unknown } | readonly unknown[];

/** Writes and reads values of one layout. A page that never writes or never reads them has no such function. */
interface Codec {
    write?(to: Writer, value: any): void;
    read?(from: Reader): any;
}

/** Writes a value of this layout: the name of a type, or a list of them. */
export function encode(layout: Layout, value: unknown): Uint8Array<ArrayBuffer> {
    writer.begin();
    codec(layout).write!(writer, value);
    return writer.bytes();
}

/** Reads bytes that `encode` wrote. Throws a RangeError on other bytes. */
export function decode(layout: Layout, bytes: Uint8Array): unknown {
    const reader = new Reader(bytes);
    const value = codec(layout).read!(reader);
    if (reader.left() > 0) {
        throw new RangeError(`${reader.left()} bytes left`);
    }
    return value;
}

class Writer {
    #buffer = new Uint8Array(256);
    #view = new DataView(this.#buffer.buffer);
    #length = 0;

    /** Empties the writer and keeps its buffer. */
    begin(): void {
        this.#length = 0;
    }

    bytes(): Uint8Array<ArrayBuffer> {
        return this.#buffer.slice(0, this.#length);
    }

    u8(value: number): void {
        const at = this.#grow(1);
        this.#view.setUint8(at, value);
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
        this.u32(value % 2 ** 32);
        this.u32(Math.floor(value / 2 ** 32));
    }

    sized(bytes: Uint8Array): void {
        this.u64(bytes.length);
        const at = this.#grow(bytes.length);
        this.#buffer.set(bytes, at);
    }

    /** Makes room for `count` more bytes, in a larger buffer if necessary. Returns their offset. */
    #grow(count: number): number {
        const at = this.#length;
        this.#length += count;
        if (this.#length > this.#buffer.length) {
            const larger = new Uint8Array(Math.max(this.#length, this.#buffer.length * 2));
            larger.set(this.#buffer);
            this.#buffer = larger;
            this.#view = new DataView(larger.buffer);
        }
        return at;
    }
}

const writer = new Writer();

class Reader {
    readonly #bytes: Uint8Array;
    readonly #view: DataView;
    #at = 0;

    constructor(bytes: Uint8Array) {
        this.#bytes = bytes;
        this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }

    left(): number {
        return this.#bytes.length - this.#at;
    }

    u8(): number {
        return this.#view.getUint8(this.#take(1));
    }

    u32(): number {
        return this.#view.getUint32(this.#take(4), true);
    }

    u64(): number {
        return this.u32() + this.u32() * 2 ** 32;
    }

    length(): number {
        const length = this.u64();
        if (length > this.left()) {
            throw new RangeError(`${length} bytes wanted, ${this.left()} left`);
        }
        return length;
    }

    bytes(length: number): Uint8Array {
        const at = this.#take(length);
        return this.#bytes.subarray(at, at + length);
    }

    char(): string {
        // The first byte gives the length.
        const first = this.#view.getUint8(this.#at);
        return decodeUtf8(this.bytes(first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4));
    }

    #take(count: number): number {
        if (count > this.left()) {
            throw new RangeError(`${count} bytes wanted, ${this.left()} left`);
        }
        this.#at += count;
        return this.#at - count;
    }
}

/** One codec for each layout. Looking the layout up for each value would take most of the time. */
const made = new Map<Layout, Codec>(Object.entries({
    bool: { write: (to, value) => to.u8(value ? 1 : 0), read: (from) => from.u8() !== 0 },
    u8: { write: (to, value) => to.u8(value), read: (from) => from.u8() },
    u16: { write: (to, value) => to.u16(value) },
    u32: { write: (to, value) => to.u32(value), read: (from) => from.u32() },
    u64: { write: (to, value) => to.u64(value), read: (from) => from.u64() },
    str: { write: (to, value) => to.sized(encodeUtf8(value)), read: (from) => decodeUtf8(from.bytes(from.length())) },
    bytes: { write: (to, value) => to.sized(value), read: (from) => from.bytes(from.length()).slice() },
    char: { read: (from) => from.char() },
} satisfies Record<string, Codec>));

function codec(layout: Layout): Codec {
    let it = made.get(layout);
    if (it === undefined) {
        it = make(layout);
        made.set(layout, it);
    }
    return it;
}

function make(layout: any): Codec {
    if (typeof layout === 'string') {
        return codec(LAYOUT[layout as keyof typeof LAYOUT]);
    }
    const { $option, $list, $enum } = layout;
    if ($option !== undefined) {
        const some = codec($option);
        return {
            write(to, value) {
                to.u8(value == null ? 0 : 1);
                if (value != null) {
                    some.write!(to, value);
                }
            },
            read: (from) => (from.u8() === 0 ? null : some.read!(from)),
        };
    }
    if ($list !== undefined) {
        const item = codec($list);
        return {
            write(to, value) {
                to.u64(value.length);
                for (const it of value) {
                    item.write!(to, it);
                }
            },
            read: (from) => Array.from({ length: from.length() }, () => item.read!(from)),
        };
    }
    const fields = $enum ?? layout;
    const names = Object.keys(fields);
    const parts = names.map((name) => (fields[name] === 0 ? undefined : codec(fields[name])));
    if ($enum !== undefined) {
        return {
            write(to, value) {
                const name = typeof value === 'string' ? value : Object.keys(value)[0]!;
                const index = names.indexOf(name);
                to.u32(index);
                parts[index]?.write!(to, value[name]);
            },
            read(from) {
                const index = from.u32();
                const name = names[index];
                if (name === undefined) {
                    throw new RangeError('no such variant');
                }
                return parts[index] === undefined ? name : { [name]: parts[index].read!(from) };
            },
        };
    }
    // The field names of a tuple are 0, 1, …
    return {
        write(to, value) {
            parts.forEach((part, index) => part!.write!(to, value[names[index]!]));
        },
        read(from) {
            const value: any = Array.isArray(layout) ? [] : {};
            parts.forEach((part, index) => {
                value[names[index]!] = part!.read!(from);
            });
            return value;
        },
    };
}
