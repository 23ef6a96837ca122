//! Writes the traced types as TypeScript.

use core::fmt::Write as _;

use serde_reflection::{ContainerFormat, Format, Named, Registry, VariantFormat};

const HEADER: &str = "\
// Commands and notices between a page and its worker, as types and as a layout of bytes (see bincode.ts).
// `cargo xtask embed` writes this file from the types of the crate `tab`. Change those instead.
";

/// Prefix of a variant that a page neither sends nor receives. It only keeps its index among the others.
const LEFT_OUT: &str = "_";

pub(crate) fn left_out(index: u32) -> String {
    format!("{LEFT_OUT}{index}")
}

pub(crate) fn write(registry: &Registry) -> String {
    let mut text = HEADER.to_owned();
    for (name, container) in registry {
        let body = match container {
            ContainerFormat::UnitStruct => "null".to_owned(),
            ContainerFormat::NewTypeStruct(format) => type_of(format),
            ContainerFormat::TupleStruct(formats) => tuple(formats),
            ContainerFormat::Struct(fields) => object(fields),
            ContainerFormat::Enum(variants) => {
                let known = variants
                    .values()
                    .filter(|it| !it.name.starts_with(LEFT_OUT));
                let variants = known.map(|variant| {
                    let name = &variant.name;
                    match &variant.value {
                        VariantFormat::NewType(format) => {
                            format!("{{ {name}: {} }}", type_of(format))
                        }
                        VariantFormat::Tuple(formats) => {
                            format!("{{ {name}: {} }}", tuple(formats))
                        }
                        VariantFormat::Struct(fields) => {
                            format!("{{ {name}: {} }}", object(fields))
                        }
                        VariantFormat::Unit | VariantFormat::Variable(_) => format!("'{name}'"),
                    }
                });
                let variants: Vec<String> = variants.collect();
                format!("\n    | {}", variants.join("\n    | "))
            }
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "\nexport type {name} = {body};");
    }
    text.push_str("\nexport const LAYOUT = {\n");
    for (name, container) in registry {
        let _ = writeln!(text, "    {name}: {},", layout(container));
    }
    text.push_str("} as const;\n");
    text
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

/// A name; `[…]`, a tuple; `{…}`, a struct; `{ $option: … }`, `{ $list: … }`; or `{ $enum: … }`, where 0 means no content.
fn layout(container: &ContainerFormat) -> String {
    match container {
        ContainerFormat::UnitStruct => "[]".to_owned(),
        ContainerFormat::NewTypeStruct(format) => layout_of(format),
        ContainerFormat::TupleStruct(formats) => layout_of_tuple(formats),
        ContainerFormat::Struct(fields) => layout_of_struct(fields),
        ContainerFormat::Enum(variants) => {
            let variants = variants.values().map(|variant| {
                let content = match &variant.value {
                    VariantFormat::NewType(format) => layout_of(format),
                    VariantFormat::Tuple(formats) => layout_of_tuple(formats),
                    VariantFormat::Struct(fields) => layout_of_struct(fields),
                    VariantFormat::Unit | VariantFormat::Variable(_) => "0".to_owned(),
                };
                format!("{}: {content}", variant.name)
            });
            let variants: Vec<String> = variants.collect();
            format!("{{ $enum: {{ {} }} }}", variants.join(", "))
        }
    }
}

fn layout_of(format: &Format) -> String {
    match format {
        Format::TypeName(name) => format!("'{name}'"),
        Format::Bool => "'bool'".to_owned(),
        Format::Char => "'char'".to_owned(),
        Format::Str => "'str'".to_owned(),
        Format::Bytes => "'bytes'".to_owned(),
        Format::Option(inner) => format!("{{ $option: {} }}", layout_of(inner)),
        Format::Seq(inner) if **inner == Format::U8 => "'bytes'".to_owned(),
        Format::Seq(inner) => format!("{{ $list: {} }}", layout_of(inner)),
        Format::Tuple(formats) => layout_of_tuple(formats),
        Format::TupleArray { content, size } => layout_of_tuple(&vec![(**content).clone(); *size]),
        Format::U8 => "'u8'".to_owned(),
        Format::U16 => "'u16'".to_owned(),
        Format::U32 => "'u32'".to_owned(),
        Format::U64 => "'u64'".to_owned(),
        other => unsupported(other),
    }
}

fn layout_of_tuple(formats: &[Format]) -> String {
    let parts: Vec<String> = formats.iter().map(layout_of).collect();
    format!("[{}]", parts.join(", "))
}

fn layout_of_struct(fields: &[Named<Format>]) -> String {
    let fields = fields
        .iter()
        .map(|it| format!("{}: {}", it.name, layout_of(&it.value)));
    format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
}

/// Text that no compiler accepts, so that the omission is noticed.
fn unsupported(format: &Format) -> String {
    format!("<<{format:?} is not supported>>")
}
