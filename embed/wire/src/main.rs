//! Writes `wire.ts`: the commands and notices of a tab as TypeScript types, and functions that write and read their bytes.
//!
//! Both derive from the types of `tab::api`, so page and worker cannot drift apart. `cargo xtask embed` runs this program before it
//! builds the package. The tests fail if the file in the repository differs. With the argument `build` it prints the name of the
//! worker's build instead.

mod typescript;

use std::process::ExitCode;

use serde_reflection::{
    ContainerFormat, Error, Format, FormatHolder as _, Registry, Samples, Tracer, TracerConfig,
    VariantFormat,
};
use tab::TabId;
use tab::api::{
    Answer, Candidacy, ClientCommand, ClientNotice, ClientStatus, Command, DisconnectCause,
    DropReason, Durability, EventKind, Notice, Problem, QoS, Question, RetainHandling, Role,
    Source, StorageState, Visibility,
};
use tab::names::ChannelError;

/// Commands that the package never sends. Their writers would only cost bytes in every page.
const UNUSED_COMMANDS: [&str; 2] = ["Ask", "Hang"];

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("build") {
        println!("{}", tabmq_worker::BUILD);
        return ExitCode::SUCCESS;
    }
    match registry() {
        Ok(registry) => {
            let all = without_omitted(registry);
            let (commands, notices) = (reachable(&all, "Command"), reachable(&all, "Notice"));
            let both = commands.clone().into_iter().chain(notices.clone());
            print!(
                "{}",
                typescript::write(&both.collect(), &commands, &notices)
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The types for a page on a port, without the variants for people who watch the bus.
fn without_omitted(mut registry: Registry) -> Registry {
    let is_left_out = |container: &str, variant: &str| match container {
        "Notice" => tabmq_worker::PAGE_PORT_OMITTED_NOTICES.contains(&variant),
        "Command" => UNUSED_COMMANDS.contains(&variant),
        "EventKind" => !tabmq_worker::PAGE_PORT_EVENTS.contains(&variant),
        _ => false,
    };
    for (name, container) in &mut registry {
        if let ContainerFormat::Enum(variants) = container {
            for (index, variant) in variants {
                if is_left_out(name, &variant.name) {
                    variant.name = typescript::left_out(*index);
                    variant.value = VariantFormat::Unit;
                }
            }
        }
    }
    registry
}

/// The types that a value of this type contains.
fn reachable(all: &Registry, root: &str) -> Registry {
    let mut found = Registry::new();
    let mut next = vec![root.to_owned()];
    while let Some(name) = next.pop() {
        if let Some(container) = all.get(&name)
            && found.insert(name, container.clone()).is_none()
        {
            // Errors would report unknown formats, and all are known.
            let _ = container.visit(&mut |format| {
                if let Format::TypeName(name) = format {
                    next.push(name.clone());
                }
                Ok(())
            });
        }
    }
    found
}

fn registry() -> Result<Registry, Error> {
    let mut tracer = Tracer::new(TracerConfig::default());
    let mut samples = Samples::new();
    // Not every string is a tab id.
    tracer.trace_value(&mut samples, &TabId::from_entropy(1))?;
    macro_rules! trace {
        ($($kind:ty),*) => {$(tracer.trace_type::<$kind>(&samples)?;)*};
    }
    // Enums first, because a type that contains one is traced with one of its variants.
    trace![
        Candidacy,
        ChannelError,
        DropReason,
        Durability,
        QoS,
        RetainHandling,
        Role,
        Source,
        StorageState,
        Visibility
    ];
    trace![Problem, DisconnectCause, ClientStatus, EventKind];
    trace![Answer, Question];
    trace![ClientCommand, ClientNotice, Command, Notice];
    tracer.registry()
}
