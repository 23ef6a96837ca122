//! `mosquitto_pub` and `mosquitto_sub`, over TCP.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};

use crate::harness::{Front, PATIENCE, run, wait};

const VERSIONS: [&str; 2] = ["mqttv311", "mqttv5"];

fn connection(front: &Front, version: &str) -> [String; 6] {
    let port = front.tcp.port().to_string();
    ["-h", "127.0.0.1", "-p", &port, "-V", version].map(str::to_owned)
}

fn tool(name: &str, front: &Front, version: &str) -> Command {
    let mut command = Command::new(name);
    command.args(connection(front, version));
    command
}

fn publish(front: &Front, version: &str, arguments: &[&str]) {
    run(tool("mosquitto_pub", front, version).args(arguments));
}

/// A subscriber that ends by itself after a number of messages.
struct Subscriber {
    process: Child,
    // Kept open, so the program can write its further output.
    _says: BufReader<ChildStderr>,
}

/// Starts a subscriber and waits until it is subscribed.
fn subscribe(front: &Front, version: &str, count: usize, arguments: &[&str]) -> Subscriber {
    // With -d it prints SUBACK, but `stdbuf` has to turn off its buffer.
    let mut process = Command::new("stdbuf")
        .arg("--output=L")
        .arg("mosquitto_sub")
        .args(connection(front, version))
        .args(["-d", "-C", &count.to_string()])
        .args(["-W", &PATIENCE.as_secs().to_string()])
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| {
            panic!("mosquitto_sub does not start ({error}): run `cargo xtask test --only interop`, which installs it")
        });
    let mut says = BufReader::new(process.stderr.take().unwrap());
    let stdout = process.stdout.as_mut().unwrap();
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("Subscribed (mid") {
        let mut byte = [0];
        if stdout.read(&mut byte).unwrap() == 0 {
            let mut complaint = String::new();
            says.read_line(&mut complaint).unwrap();
            panic!("no SUBACK: {}{complaint}", String::from_utf8_lossy(&seen));
        }
        seen.extend(byte);
    }
    Subscriber {
        process,
        _says: says,
    }
}

impl Subscriber {
    /// Waits for its successful end. Returns the lines that it printed for messages, which start with `>`: see [`LINE`].
    fn lines(self) -> Vec<String> {
        let output = wait(self.process);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{}: {text}", output.status);
        text.lines()
            .filter_map(|line| line.strip_prefix('>'))
            .map(str::to_owned)
            .collect()
    }
}

/// The format of a printed message: topic, QoS, retain flag, payload.
const LINE: [&str; 2] = ["-F", ">%t %q %r %p"];

#[test]
fn every_qos_arrives_once() {
    let front = Front::start();
    for version in VERSIONS {
        for granted in ["0", "1", "2"] {
            let arguments = [LINE[0], LINE[1], "-q", granted, "-t", "qos/+"];
            let subscriber = subscribe(&front, version, 4, &arguments);
            for qos in ["0", "1", "2"] {
                let topic = format!("qos/{qos}");
                publish(&front, version, &["-t", &topic, "-q", qos, "-m", "hello"]);
            }
            publish(&front, version, &["-t", "qos/end", "-q", "2", "-m", "end"]);
            let lower = |qos: &'static str| qos.min(granted);
            let expected = [
                "qos/0 0 0 hello".to_owned(),
                format!("qos/1 {} 0 hello", lower("1")),
                format!("qos/2 {} 0 hello", lower("2")),
                format!("qos/end {} 0 end", lower("2")),
            ];
            assert_eq!(subscriber.lines(), expected, "{version}");
        }
    }
}

#[test]
fn a_retained_message_waits_for_later_subscribers() {
    let front = Front::start();
    for version in VERSIONS {
        publish(
            &front,
            version,
            &["-t", "retained", "-r", "-q", "1", "-m", "old"],
        );
        publish(
            &front,
            version,
            &["-t", "retained", "-r", "-q", "1", "-m", "new"],
        );
        let arguments = [LINE[0], LINE[1], "-q", "1", "-t", "retained"];
        let subscriber = subscribe(&front, version, 1, &arguments);
        assert_eq!(subscriber.lines(), ["retained 1 1 new"]);
        publish(&front, version, &["-t", "retained", "-r", "-n"]);
        let subscriber = subscribe(&front, version, 1, &arguments);
        publish(
            &front,
            version,
            &["-t", "retained", "-q", "1", "-m", "live"],
        );
        assert_eq!(subscriber.lines(), ["retained 1 0 live"]);
    }
}

#[test]
fn a_will_is_sent_for_a_killed_client() {
    let front = Front::start();
    for version in VERSIONS {
        let arguments = [LINE[0], LINE[1], "-q", "1", "-t", "will"];
        let watcher = subscribe(&front, version, 1, &arguments);
        let will = [
            "--will-topic",
            "will",
            "--will-payload",
            "gone",
            "--will-qos",
            "1",
            "-t",
            "unused",
        ];
        let mut dying = subscribe(&front, version, 1, &will);
        dying.process.kill().unwrap();
        dying.process.wait().unwrap();
        assert_eq!(watcher.lines(), ["will 1 0 gone"]);
    }
}

#[test]
fn the_members_of_a_group_share_its_messages() {
    let front = Front::start();
    for version in VERSIONS {
        let arguments = [LINE[0], LINE[1], "-q", "1", "-t", "$share/workers/jobs"];
        let members = [(); 2].map(|()| subscribe(&front, version, 5, &arguments));
        for job in 0..10 {
            let job = job.to_string();
            publish(&front, version, &["-t", "jobs", "-q", "1", "-m", &job]);
        }
        let mut lines: Vec<_> = members.into_iter().flat_map(Subscriber::lines).collect();
        lines.sort();
        let expected: Vec<_> = (0..10).map(|job| format!("jobs 1 0 {job}")).collect();
        assert_eq!(lines, expected, "{version}");
    }
}

#[test]
fn a_session_outlives_its_connection() {
    let front = Front::start();
    for version in VERSIONS {
        let mut session = vec![
            "-i", version, "-c", "-q", "2", "-t", "offline", LINE[0], LINE[1],
        ];
        if version == "mqttv5" {
            session.extend(["-x", "3600"]);
        }
        run(tool("mosquitto_sub", &front, version)
            .args(&session)
            .arg("-E"));
        for payload in ["one", "two", "three"] {
            publish(
                &front,
                version,
                &["-t", "offline", "-q", "2", "-m", payload],
            );
        }
        let subscriber = subscribe(&front, version, 3, &session);
        let expected = ["offline 2 0 one", "offline 2 0 two", "offline 2 0 three"];
        assert_eq!(subscriber.lines(), expected, "{version}");
    }
}

#[test]
fn megabytes_arrive_as_they_were_sent() {
    let front = Front::start();
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("large");
    let payload: Vec<u8> = (0..10_000_000_u32)
        .map(|number| b'a' + (number.wrapping_mul(2_654_435_761) >> 24) as u8 % 26)
        .collect();
    fs::write(&file, &payload).unwrap();
    for version in VERSIONS {
        let arguments = ["-F", ">%p", "-q", "2", "-t", "large"];
        let subscriber = subscribe(&front, version, 1, &arguments);
        publish(
            &front,
            version,
            &["-t", "large", "-q", "2", "-f", file.to_str().unwrap()],
        );
        let lines = subscriber.lines();
        assert!(
            lines.len() == 1 && lines[0].as_bytes() == payload,
            "{version}"
        );
    }
    fs::remove_file(file).unwrap();
}

#[test]
fn denied_topics_and_unknown_users_are_refused() {
    let front = Front::configured(
        r##"{
            "anonymous": false,
            "users": [{
                "name": "ada",
                "password": "secret",
                "rules": [{"access": "deny", "to": "subscribe", "filter": "closed/#"}]
            }],
            "rules": [{"access": "deny", "to": "publish", "filter": "+/%u/sealed"}]
        }"##,
    );
    for version in VERSIONS {
        let ada = ["-u", "ada", "-P", "secret"];
        let arguments = [&ada[..], &[LINE[0], LINE[1], "-t", "open/#"]].concat();
        let subscriber = subscribe(&front, version, 1, &arguments);
        let sealed = ["-t", "open/ada/sealed", "-m", "lost"];
        let unsealed = ["-t", "open/ada", "-m", "found"];
        publish(&front, version, &[&ada[..], &sealed].concat());
        publish(&front, version, &[&ada[..], &unsealed].concat());
        assert_eq!(subscriber.lines(), ["open/ada 0 0 found"], "{version}");

        let refused = |arguments: &[&str]| {
            let process = tool("mosquitto_sub", &front, version)
                .args(["-E", "-W", "5"])
                .args(arguments)
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let output = wait(process);
            let printed = [output.stdout, output.stderr].concat();
            String::from_utf8_lossy(&printed).to_lowercase()
        };
        let filter = refused(&[&ada[..], &["-t", "closed/door"]].concat());
        assert!(filter.contains("denied"), "{version}: {filter}");
        for stranger in [
            &[][..],
            &["-u", "ada", "-P", "wrong"],
            &["-u", "bob", "-P", "secret"],
        ] {
            let answer = refused(&[stranger, &["-t", "open/#"]].concat());
            assert!(
                answer.contains("not authori") || answer.contains("bad user name"),
                "{version} {stranger:?}: {answer}"
            );
        }
    }
}
