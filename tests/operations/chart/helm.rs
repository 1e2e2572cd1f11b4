//! Helm, and what it renders.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde::Deserialize as _;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::skip::skip;

/// The version of Kubernetes that is rendered for: a helm built from source knows none.
const KUBERNETES: &str = "1.34.0";

/// The name of the release, and that of its objects.
pub(crate) const RELEASE: &str = "links";
pub(crate) const NAMESPACE: &str = "here";
pub(crate) const FULL_NAME: &str = "links-nebulink";

/// A helm that can be run.
pub(crate) struct Helm {
    program: &'static str,
}

/// The objects of a release.
#[derive(Debug)]
pub(crate) struct Objects(Vec<Value>);

impl Helm {
    /// Nothing if the program is missing here.
    pub(crate) fn find() -> Option<Self> {
        let program = "helm";
        is_there(program).then_some(Self { program })
    }

    /// The objects of our chart with these values, or what helm says against them.
    pub(crate) fn render(&self, values: &Value) -> Result<Objects, String> {
        self.render_chart(&chart(), values)
    }

    /// The objects of some chart.
    pub(crate) fn render_chart(&self, chart: &Path, values: &Value) -> Result<Objects, String> {
        self.render_release([NAMESPACE, RELEASE], chart, values)
    }

    /// The objects of a release, in a namespace and of a name.
    pub(crate) fn render_release(
        &self,
        [namespace, release]: [&str; 2],
        chart: &Path,
        values: &Value,
    ) -> Result<Objects, String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        // All JSON is YAML.
        file.write_all(values.to_string().as_bytes()).unwrap();
        let arguments =
            ["template", release, "--namespace", namespace, "--kube-version", KUBERNETES, "--values"];
        let output = Command::new(self.program).args(arguments).arg(file.path()).arg(chart).output().unwrap();
        text_of(output).map(|text| Objects(documents(&text)))
    }

    /// The notes that the chart prints after its installation.
    pub(crate) fn notes(&self, values: &Value) -> String {
        // `helm template` leaves the notes out, and anything else wants a cluster, so they become an object.
        let (_folder, copy) = copy_of_chart();
        let notes = fs::read_to_string(copy.join("templates/NOTES.txt")).unwrap();
        let object = "kind: ConfigMap\nmetadata: {name: notes}\ndata:\n  notes: |\n";
        let template = format!(
            "{{{{- define \"notes\" -}}}}\n{notes}\n{{{{- end }}}}\n{object}    {{{{- include \"notes\" . | nindent 4 }}}}\n"
        );
        fs::write(copy.join("templates/notes.yaml"), template).unwrap();
        let objects = self.render_chart(&copy, values).unwrap();
        objects.named("ConfigMap", "notes")["data"]["notes"].as_str().unwrap().to_owned()
    }

    /// Looks the chart over with a file of values.
    pub(crate) fn lint(&self, values: &Path) -> Result<String, String> {
        let arguments = ["lint", "--strict", "--kube-version", KUBERNETES, "--values"];
        text_of(Command::new(self.program).args(arguments).arg(values).arg(chart()).output().unwrap())
    }
}

impl Objects {
    /// All of them.
    pub(crate) fn all(&self) -> &[Value] {
        &self.0
    }

    /// Those of a kind, whatever their names are.
    pub(crate) fn of_kind(&self, kind: &str) -> Vec<&Value> {
        self.0.iter().filter(|object| object["kind"] == kind).collect()
    }

    /// The one of a kind that has a name.
    #[track_caller]
    pub(crate) fn named(&self, kind: &str, name: &str) -> &Value {
        let mut of_kind = self.of_kind(kind).into_iter();
        of_kind.find(|object| object["metadata"]["name"] == name).unwrap()
    }

    /// The Deployment of the program itself.
    #[track_caller]
    pub(crate) fn deployment(&self) -> &Value {
        self.named("Deployment", FULL_NAME)
    }

    /// Everything that becomes a pod: `metadata` and `spec`.
    pub(crate) fn pods(&self) -> Vec<&Value> {
        let templates =
            self.of_kind("Deployment").into_iter().map(|deployment| &deployment["spec"]["template"]);
        templates.chain(self.of_kind("Pod")).collect()
    }

    /// The settings file.
    #[track_caller]
    pub(crate) fn settings(&self) -> &str {
        self.named("ConfigMap", FULL_NAME)["data"]["nebulink.toml"].as_str().unwrap()
    }
}

/// Returns true if a program can be run here. In CI it has to be.
pub(crate) fn is_there(program: &str) -> bool {
    match Command::new(program).arg("--help").output() {
        Ok(_) => true,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            skip(program, ".ci/install does it");
            false
        }
        Err(error) => panic!("{error}"),
    }
}

/// The folder of the chart.
pub(crate) fn chart() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("helm/nebulink")
}

/// A chart that a test may change.
pub(crate) fn copy_of_chart() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("nebulink");
    copy_folder(&chart(), &copy);
    (folder, copy)
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The files of believable installations.
pub(crate) fn installations() -> Vec<PathBuf> {
    let entries = fs::read_dir(chart().join("ci")).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() > 1, "{files:?}");
    files
}

/// Reads a YAML file.
pub(crate) fn yaml(path: &Path) -> Value {
    yaml_serde::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The items of a list; none if there is no list.
pub(crate) fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// All documents that say something.
fn documents(text: &str) -> Vec<Value> {
    let documents = yaml_serde::Deserializer::from_str(text);
    let values = documents.map(|document| Value::deserialize(document).unwrap());
    values.filter(|value| !value.is_null()).collect()
}

fn text_of(output: Output) -> Result<String, String> {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if output.status.success() {
        Ok(text(output.stdout))
    } else {
        Err(text(output.stderr) + &text(output.stdout))
    }
}
