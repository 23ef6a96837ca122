// Commands and notices as bytes, in the layout that bincode gives them: numbers of a fixed size with the lowest byte first,
// lengths as 64 bits, variants as 32.

import { LAYOUT } from './wire.js';

type Layout = string | { readonly [name: string]: unknown } | readonly unknown[];

const text = new TextEncoder();
const utf8 = new TextDecoder();

/** Writes a value of the type of this name, or a list of them. */
export function encode(layout: Layout, value: unknown): Uint8Array<ArrayBuffer> {
    const writer = new Writer();
    writer.write(layout, value);
    return writer.bytes();
}

/** Reads what `encode` wrote. Throws a RangeError if it is something else. */
export function decode(layout: Layout, bytes: Uint8Array): unknown {
    const reader = new Reader(bytes);
    const value = reader.read(layout);
    if (reader.left() > 0) {
        throw new RangeError(`${reader.left()} bytes too many`);
    }
    return value;
}

class Writer {
    #buffer = new Uint8Array(256);
    #view = new DataView(this.#buffer.buffer);
    #length = 0;

    bytes(): Uint8Array<ArrayBuffer> {
        return this.#buffer.slice(0, this.#length);
    }

    write(layout: Layout, value: any): void {
        if (typeof layout === 'string') {
            this.#named(layout, value);
            return;
        }
        if (Array.isArray(layout)) {
            return layout.forEach((part, index) => this.write(part, value[index]));
        }
        const { $option, $list, $enum, ...fields } = layout as any;
        if ($option !== undefined) {
            this.#u8(value == null ? 0 : 1);
            if (value != null) {
                this.write($option, value);
            }
        } else if ($list !== undefined) {
            this.#u64(value.length);
            for (const item of value) {
                this.write($list, item);
            }
        } else if ($enum !== undefined) {
            const name = typeof value === 'string' ? value : Object.keys(value)[0]!;
            this.#u32(Object.keys($enum).indexOf(name));
            if ($enum[name] !== 0) {
                this.write($enum[name], value[name]);
            }
        } else {
            for (const [name, part] of Object.entries(fields)) {
                this.write(part as Layout, value[name]);
            }
        }
    }

    #named(name: string, value: any): void {
        switch (name) {
            case 'bool': return this.#u8(value ? 1 : 0);
            case 'u8': return this.#u8(value);
            case 'u16': {
                const at = this.#grow(2);
                return this.#view.setUint16(at, value, true);
            }
            case 'u32': return this.#u32(value);
            case 'u64': return this.#u64(value);
            case 'str': return this.#sized(text.encode(value));
            case 'bytes': return this.#sized(value);
            case 'char': return this.#put(text.encode(value));
            default: return this.write(LAYOUT[name as keyof typeof LAYOUT], value);
        }
    }

    #u8(value: number): void {
        const at = this.#grow(1);
        this.#view.setUint8(at, value);
    }

    #u32(value: number): void {
        const at = this.#grow(4);
        this.#view.setUint32(at, value, true);
    }

    #u64(value: number): void {
        this.#u32(value % 2 ** 32);
        this.#u32(Math.floor(value / 2 ** 32));
    }

    #sized(bytes: Uint8Array): void {
        this.#u64(bytes.length);
        this.#put(bytes);
    }

    #put(bytes: Uint8Array): void {
        const at = this.#grow(bytes.length);
        this.#buffer.set(bytes, at);
    }

    /** Makes room for so many bytes more, in a new buffer if need be; returns where it is. */
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

    read(layout: Layout): any {
        if (typeof layout === 'string') {
            return this.#named(layout);
        }
        if (Array.isArray(layout)) {
            return layout.map((part) => this.read(part));
        }
        const { $option, $list, $enum, ...fields } = layout as any;
        if ($option !== undefined) {
            return this.#u8() === 0 ? null : this.read($option);
        }
        if ($list !== undefined) {
            return Array.from({ length: this.#length() }, () => this.read($list));
        }
        if ($enum !== undefined) {
            const [name, content] = Object.entries($enum)[this.#u32()] ?? [];
            if (name === undefined) {
                throw new RangeError('there is no such variant');
            }
            return content === 0 ? name : { [name]: this.read(content as Layout) };
        }
        return Object.fromEntries(Object.entries(fields).map(([name, part]) => [name, this.read(part as Layout)]));
    }

    #named(name: string): any {
        switch (name) {
            case 'bool': return this.#u8() !== 0;
            case 'u8': return this.#u8();
            case 'u16': return this.#view.getUint16(this.#take(2), true);
            case 'u32': return this.#u32();
            case 'u64': return this.#u64();
            case 'str': return utf8.decode(this.#sized());
            case 'bytes': return this.#sized().slice();
            case 'char': {
                // As long as its first byte says.
                const first = this.#view.getUint8(this.#at);
                const length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
                const at = this.#take(length);
                return utf8.decode(this.#bytes.subarray(at, at + length));
            }
            default: return this.read(LAYOUT[name as keyof typeof LAYOUT]);
        }
    }

    #u8(): number {
        return this.#view.getUint8(this.#take(1));
    }

    #u32(): number {
        return this.#view.getUint32(this.#take(4), true);
    }

    #u64(): number {
        return this.#u32() + this.#u32() * 2 ** 32;
    }

    #length(): number {
        const length = this.#u64();
        if (length > this.left()) {
            throw new RangeError(`${length} of something in ${this.left()} bytes`);
        }
        return length;
    }

    #sized(): Uint8Array {
        const length = this.#length();
        const at = this.#take(length);
        return this.#bytes.subarray(at, at + length);
    }

    #take(count: number): number {
        if (count > this.left()) {
            throw new RangeError(`${count} bytes wanted, ${this.left()} left`);
        }
        this.#at += count;
        return this.#at - count;
    }
}
