//! Writes the traced types as TypeScript.

use core::fmt::Write as _;

use serde_reflection::{ContainerFormat, Format, Named, Registry, VariantFormat};

const HEADER: &str = "\
// Commands and notices between a page and its worker: their types, and functions that write and read them (see bincode.ts).
// `cargo xtask embed` writes this file from the types of the crate `tab`. Change those instead.

import type { Reader, Writer } from './bincode.js';
";

/// Prefix of a variant that a page neither sends nor receives. It only keeps its index among the others.
const LEFT_OUT: &str = "_";

pub(crate) fn left_out(index: u32) -> String {
    format!("{LEFT_OUT}{index}")
}

/// The types, a writer for each type in `written`, and a reader for each in `read`.
pub(crate) fn write(all: &Registry, written: &Registry, read: &Registry) -> String {
    let mut text = HEADER.to_owned();
    for (name, container) in all {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "\nexport type {name} = {};",
            type_of_container(container)
        );
    }
    for (name, container) in all {
        if let Some(names) = names_of_units(container) {
            let _ = writeln!(
                text,
                "\nexport const {name}: readonly {name}[] = [{names}];"
            );
        }
    }
    for (name, container) in written {
        text.push_str(&writer(all, name, container));
    }
    for (name, container) in read {
        text.push_str(&reader(all, name, container));
    }
    text
}

fn type_of_container(container: &ContainerFormat) -> String {
    match container {
        ContainerFormat::UnitStruct => "null".to_owned(),
        ContainerFormat::NewTypeStruct(format) => type_of(format),
        ContainerFormat::TupleStruct(formats) => tuple(formats),
        ContainerFormat::Struct(fields) => object(fields),
        ContainerFormat::Enum(variants) => {
            let known = variants.values().filter(|it| is_known(it));
            let variants = known.map(|variant| {
                let name = &variant.name;
                match &variant.value {
                    VariantFormat::NewType(format) => format!("{{ {name}: {} }}", type_of(format)),
                    VariantFormat::Tuple(formats) => format!("{{ {name}: {} }}", tuple(formats)),
                    VariantFormat::Struct(fields) => format!("{{ {name}: {} }}", object(fields)),
                    VariantFormat::Unit | VariantFormat::Variable(_) => format!("'{name}'"),
                }
            });
            let variants: Vec<String> = variants.collect();
            format!("\n    | {}", variants.join("\n    | "))
        }
    }
}

fn is_known(variant: &Named<VariantFormat>) -> bool {
    !variant.name.starts_with(LEFT_OUT)
}

/// The quoted names of an enum whose variants have no content.
fn names_of_units(container: &ContainerFormat) -> Option<String> {
    let ContainerFormat::Enum(variants) = container else {
        return None;
    };
    let names = variants.values().map(|it| match it.value {
        VariantFormat::Unit => Some(format!("'{}'", it.name)),
        _ => None,
    });
    Some(names.collect::<Option<Vec<_>>>()?.join(", "))
}

fn type_of(format: &Format) -> String {
    match format {
        Format::TypeName(name) => name.clone(),
        Format::Bool => "boolean".to_owned(),
        Format::Char | Format::Str => "string".to_owned(),
        Format::Bytes => "Uint8Array".to_owned(),
        Format::Option(inner) => format!("{} | null", type_of(inner)),
        Format::Seq(inner) if **inner == Format::U8 => "Uint8Array".to_owned(),
        Format::Seq(inner) => format!("Array<{}>", type_of(inner)),
        Format::Tuple(formats) => tuple(formats),
        Format::TupleArray { content, size } => tuple(&vec![(**content).clone(); *size]),
        Format::U8 | Format::U16 | Format::U32 | Format::U64 => "number".to_owned(),
        other => unsupported(other),
    }
}

fn tuple(formats: &[Format]) -> String {
    let parts: Vec<String> = formats.iter().map(type_of).collect();
    format!("[{}]", parts.join(", "))
}

fn object(fields: &[Named<Format>]) -> String {
    let fields = fields
        .iter()
        .map(|it| format!("{}: {}", it.name, type_of(&it.value)));
    format!("{{ {} }}", fields.collect::<Vec<_>>().join("; "))
}

/// The method of `Writer` and `Reader` for a type that has no parts.
const fn method(format: &Format) -> Option<&'static str> {
    Some(match format {
        Format::Bool => "bool",
        Format::Char => "char",
        Format::Str => "str",
        Format::Bytes => "bytes",
        Format::U8 => "u8",
        Format::U16 => "u16",
        Format::U32 => "u32",
        Format::U64 => "u64",
        _ => return None,
    })
}

/// One function for a struct. For an enum one object with a function for each variant, so that nothing is built only to be
/// written.
fn writer(all: &Registry, name: &str, container: &ContainerFormat) -> String {
    match container {
        ContainerFormat::Struct(fields) => {
            let fields: String = fields
                .iter()
                .map(|it| write_value(all, &it.value, &format!("it.{}", it.name), 1))
                .collect();
            format!("\nfunction write{name}(to: Writer, it: {name}): void {{\n{fields}}}\n")
        }
        ContainerFormat::Enum(_) if names_of_units(container).is_some() => String::new(),
        ContainerFormat::Enum(variants) => {
            let known = variants.iter().filter(|(_, it)| is_known(it));
            let variants: String = known
                .map(|(index, variant)| variant_writer(all, *index, variant))
                .collect();
            format!("\nexport const {name} = {{\n{variants}}};\n")
        }
        ContainerFormat::NewTypeStruct(_)
        | ContainerFormat::UnitStruct
        | ContainerFormat::TupleStruct(_) => String::new(),
    }
}

/// A variant that ends with another enum writes all but that: the caller writes it next.
fn variant_writer(all: &Registry, index: u32, variant: &Named<VariantFormat>) -> String {
    let mut parts = match &variant.value {
        VariantFormat::NewType(format) => named(&[(**format).clone()]),
        VariantFormat::Tuple(formats) => named(formats),
        VariantFormat::Struct(fields) => fields_of(fields),
        VariantFormat::Unit | VariantFormat::Variable(_) => Vec::new(),
    };
    parts.pop_if(|(_, format)| has_variant_writers(all, format));
    let parameters: String = parts
        .iter()
        .map(|(part, format)| format!(", {part}: {}", type_of(format)))
        .collect();
    let body: String = parts
        .iter()
        .map(|(part, format)| write_value(all, format, part, 2))
        .collect();
    let name = &variant.name;
    format!(
        "    {name}(to: Writer{parameters}): void {{\n        to.u32({index});\n{body}    }},\n"
    )
}

fn fields_of(fields: &[Named<Format>]) -> Vec<(String, Format)> {
    let fields = fields.iter().map(|it| (it.name.clone(), it.value.clone()));
    fields.collect()
}

/// The parts of a tuple, named by their types.
fn named(formats: &[Format]) -> Vec<(String, Format)> {
    let formats = formats.iter();
    formats.map(|it| (name_of(it), it.clone())).collect()
}

fn name_of(format: &Format) -> String {
    match format {
        Format::TypeName(name) => {
            let (first, rest) = name.split_at(1);
            first.to_lowercase() + rest
        }
        Format::Seq(inner) => name_of(inner) + "s",
        _ => "value".to_owned(),
    }
}

fn has_variant_writers(all: &Registry, format: &Format) -> bool {
    let Format::TypeName(name) = format else {
        return false;
    };
    let container = all.get(name);
    container
        .is_some_and(|it| matches!(it, ContainerFormat::Enum(_)) && names_of_units(it).is_none())
}

/// Statements that write a value.
fn write_value(all: &Registry, format: &Format, value: &str, depth: usize) -> String {
    let indent = "    ".repeat(depth);
    if let Some(method) = method(format) {
        return format!("{indent}to.{method}({value});\n");
    }
    match format {
        Format::TypeName(name) => match all.get(name) {
            Some(ContainerFormat::NewTypeStruct(inner)) => write_value(all, inner, value, depth),
            Some(it) if names_of_units(it).is_some() => {
                format!("{indent}to.u32({name}.indexOf({value}));\n")
            }
            Some(_) if has_variant_writers(all, format) => unsupported(format),
            _ => format!("{indent}write{name}(to, {value});\n"),
        },
        Format::Option(inner) => {
            let some = write_value(all, inner, value, depth + 1);
            format!("{indent}if (to.some({value})) {{\n{some}{indent}}}\n")
        }
        Format::Seq(inner) if **inner == Format::U8 => format!("{indent}to.bytes({value});\n"),
        Format::Seq(inner) => {
            let item = write_value(all, inner, "item", depth + 1);
            format!(
                "{indent}to.u64({value}.length);\n{indent}for (const item of {value}) {{\n{item}{indent}}}\n"
            )
        }
        Format::Tuple(formats) => write_tuple(all, formats, value, depth),
        Format::TupleArray { content, size } => {
            write_tuple(all, &vec![(**content).clone(); *size], value, depth)
        }
        other => unsupported(other),
    }
}

fn write_tuple(all: &Registry, formats: &[Format], value: &str, depth: usize) -> String {
    let parts = formats.iter().enumerate();
    parts
        .map(|(index, it)| write_value(all, it, &format!("{value}[{index}]"), depth))
        .collect()
}

fn reader(all: &Registry, name: &str, container: &ContainerFormat) -> String {
    let head = format!("\nexport function read{name}(from: Reader): {name} {{\n");
    match container {
        ContainerFormat::Struct(fields) => {
            format!("{head}    return {};\n}}\n", read_object(all, fields))
        }
        ContainerFormat::Enum(_) if names_of_units(container).is_some() => String::new(),
        ContainerFormat::Enum(variants) => {
            let mut text = format!("{head}    switch (from.u32()) {{\n");
            for (index, variant) in variants.iter().filter(|(_, it)| is_known(it)) {
                let content = match &variant.value {
                    VariantFormat::NewType(format) => Some(read_value(all, format)),
                    VariantFormat::Tuple(formats) => Some(read_tuple(all, formats)),
                    VariantFormat::Struct(fields) => Some(read_object(all, fields)),
                    VariantFormat::Unit | VariantFormat::Variable(_) => None,
                };
                let variant = &variant.name;
                let value = content.map_or_else(
                    || format!("'{variant}'"),
                    |content| format!("{{ {variant}: {content} }}"),
                );
                let _ = writeln!(text, "        case {index}: return {value};");
            }
            text.push_str("        default: throw from.unknown();\n    }\n}\n");
            text
        }
        ContainerFormat::NewTypeStruct(_)
        | ContainerFormat::UnitStruct
        | ContainerFormat::TupleStruct(_) => String::new(),
    }
}

/// An expression that reads a value.
fn read_value(all: &Registry, format: &Format) -> String {
    if let Some(method) = method(format) {
        return format!("from.{method}()");
    }
    match format {
        Format::TypeName(name) => match all.get(name) {
            Some(ContainerFormat::NewTypeStruct(inner)) => read_value(all, inner),
            Some(it) if names_of_units(it).is_some() => format!("from.unit({name})"),
            _ => format!("read{name}(from)"),
        },
        Format::Option(inner) => format!("from.bool() ? {} : null", read_value(all, inner)),
        Format::Seq(inner) if **inner == Format::U8 => "from.bytes()".to_owned(),
        Format::Seq(inner) => format!(
            "from.list((): {} => {})",
            type_of(inner),
            read_value(all, inner)
        ),
        Format::Tuple(formats) => read_tuple(all, formats),
        Format::TupleArray { content, size } => read_tuple(all, &vec![(**content).clone(); *size]),
        other => unsupported(other),
    }
}

fn read_tuple(all: &Registry, formats: &[Format]) -> String {
    let parts: Vec<String> = formats.iter().map(|it| read_value(all, it)).collect();
    format!("[{}]", parts.join(", "))
}

fn read_object(all: &Registry, fields: &[Named<Format>]) -> String {
    let fields = fields
        .iter()
        .map(|it| format!("{}: {}", it.name, read_value(all, &it.value)));
    format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
}

/// Text that no compiler accepts, so that the omission is noticed.
fn unsupported(format: &Format) -> String {
    format!("<<{format:?} is not supported>>")
}
